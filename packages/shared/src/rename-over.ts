import { rename } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** How long another program may have the file, in milliseconds. */
const longestMs = 1_000;
/** The first wait; each further one is twice as long. In milliseconds. */
const firstWaitMs = 10;

/**
 * What Windows says while another program has one of the two files open (MoveFileEx: ERROR_ACCESS_DENIED,
 * ERROR_SHARING_VIOLATION).
 */
const inUse: ReadonlySet<string | undefined> = new Set(["EACCES", "EBUSY", "EPERM"]);

/**
 * Gives a file the name of another, and takes its place. On Windows that fails while another program has one
 * of them open, and scanners and indexers open what is new for a moment. So it is tried for a second there.
 * `platform`, `tryOnce`: for tests.
 * @throws Error of the system.
 */
export async function renameOver(
  from: string,
  to: string,
  platform: NodeJS.Platform = process.platform,
  tryOnce: (from: string, to: string) => Promise<void> = rename,
): Promise<void> {
  const deadline = performance.now() + longestMs;
  for (let waitMs = firstWaitMs; ; waitMs *= 2) {
    try {
      return await tryOnce(from, to);
    } catch (error) {
      const isInUse = platform === "win32" && inUse.has((error as NodeJS.ErrnoException).code);
      if (!isInUse || performance.now() + waitMs > deadline) throw error;
    }
    await delay(waitMs);
  }
}
