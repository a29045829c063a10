import { afterEach } from "vitest";

/**
 * Returns a function that takes a thing that a test opened and returns it. All of them are closed after the
 * test, the last opened first. Call this once at the top of a test file or `describe`.
 */
export function closingAfterEach(): <T extends { close(): unknown }>(opened: T) => T {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    // Each is closed, even if closing another one failed. The first failure is reported.
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
