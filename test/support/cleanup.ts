import { afterEach } from "vitest";

/**
 * Returns a function that takes what a test opened and gives it back; all of it is closed after the test, the last
 * opened first. Call it once at the top of a test file or `describe`.
 */
export function closingAfterEach(): <T extends { close(): unknown }>(opened: T) => T {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    // Each is closed whatever the others do; the first failure is the one reported.
    const failures: unknown[] = [];
    for (let last = open.pop(); last !== undefined; last = open.pop()) {
      try {
        await last.close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  });
  return (opened) => {
    open.push(opened);
    return opened;
  };
}
