import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { open, stat } from "node:fs/promises";

/** How long files may take before they count as not to be had, in milliseconds. */
const fileTimeoutMs = 10_000;

/** Without O_NONBLOCK the opening of a pipe waits until somebody writes to it. */
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * The text of a file that may have become anything while the relay runs.
 * @throws Error also when it is a pipe, a device or a folder.
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

/** The same for what is read before the relay listens. */
export function readRegularFileSync(path: string): string {
  const file = openSync(path, openFlags);
  try {
    if (!fstatSync(file).isFile()) throw notRegular();
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function notRegular(): Error {
  return new Error("it is not a regular file");
}

/** What tells one state of a file from another; a file that cannot be looked at has a state, too. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}

/**
 * Work with files that may get stuck, as on a share that is away: it is waited for a while. What is stuck is not begun again beside
 * it, since it keeps one of the four threads that the process has for files and names.
 */
export class FileTask<T> {
  readonly #work: () => Promise<T>;
  #going: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  /** @throws Error when the time is over, and what the work throws. */
  run(): Promise<T> {
    this.#going ??= this.#work().finally(() => {
      this.#going = undefined;
    });
    return withinFileTime(this.#going);
  }
}

/** @throws Error when `work` takes longer than files may. It goes on all the same. */
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
