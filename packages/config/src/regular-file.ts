import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";

/** How long the file system may take before a file counts as unavailable, in milliseconds. */
const fileTimeoutMs = 10_000;

/** Without O_NONBLOCK, opening a pipe waits until a writer opens it too. */
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads the text of a file, whose path may have become anything while the relay runs.
 * @throws Error when it cannot be read, or is a pipe, a device or a folder.
 */
export async function readRegularFile(path: string): Promise<string> {
  const file = await open(path, openFlags);
  try {
    if (!(await file.stat()).isFile()) throw notRegular();
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/**
 * The same, synchronously: for files that are read before the relay listens, and for those of the user.
 * `check` is told what was opened, and throws if it must not be read.
 */
export function readRegularFileSync(path: string, check: (stats: Stats) => void = () => {}): string {
  const file = openSync(path, openFlags);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw notRegular();
    check(stats);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function notRegular(): Error {
  return new Error("it is not a regular file");
}

/**
 * A text that differs from one state of a file to another. A file that cannot be looked at has a state, too.
 */
export async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}

/**
 * Work with files that may get stuck, as on a share that is away. Callers wait for a limited time. Stuck work
 * is not started a second time, because it holds one of the four threads that the process has for files and
 * names.
 */
export class FileTask<T> {
  readonly #work: () => Promise<T>;
  #going: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  /** @throws Error when the time is over, and every error of the work. */
  run(): Promise<T> {
    this.#going ??= this.#work().finally(() => {
      this.#going = undefined;
    });
    return withinFileTime(this.#going);
  }
}

/**
 * Waits for `work` as long as files may take.
 * @throws Error when the time is over; the work goes on all the same.
 */
export async function withinFileTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const why = `no answer from the file system within ${fileTimeoutMs / 1_000} s`;
    timer = setTimeout(() => reject(new Error(why)), fileTimeoutMs);
    timer.unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
