import { write, writeSync } from "node:fs";
import type { Writable } from "node:stream";
import { unicodeStream } from "./console.js";

/** Once this many characters have gathered, they are written without waiting for more. */
const fullLength = 65_536;
/** Time after which a pipe that is full, or a disk, is tried again, in milliseconds. */
const retryMs = 100;
/** How long the end of the process waits for a reader, in milliseconds. */
const endTimeoutMs = 1_000;

export interface LineOutputOptions {
  /**
   * How long a line may wait for others, in milliseconds: one write for each line takes a tenth of a busy
   * process's time.
   */
  gatherMs: number;
  /** How many characters may wait for a reader. Lines beyond them are lost. */
  maxWaitingLength: number;
  /** Called with the number of lost lines, once there is room again. */
  onLost(lines: number): void;
  /**
   * Called when a write has failed for good, for example because the reader has left (EPIPE) or the disk is
   * full, and not again until a write succeeds. The lines are lost. Default: the lines wait, and are tried
   * again until they are written.
   */
  onFailed?(fd: number, error: NodeJS.ErrnoException): void;
  /** For tests. Default: {@link unicodeStream}. */
  streamFor?: (fd: number) => Writable | undefined;
}

/** Lines that go out with one write. */
interface Piece {
  readonly fd: number;
  text: string;
}

/**
 * Writes lines to files that the process has open, its standard output and standard error. All lines keep one
 * order, because on a terminal they are read as one text. The process never waits for a reader: a terminal
 * that is paused (Ctrl-S), a reader that has stopped, or a full disk does not stop it.
 *
 * A line waits for others (`gathering`), and all go out piece by piece (`writing`). A piece that cannot be
 * written now is tried again (`retrying`). At most one write is in the kernel at a time.
 */
export class LineOutput {
  readonly #options: LineOutputOptions;
  #state: "idle" | "gathering" | "writing" | "retrying" = "idle";
  /** Pieces that have to be written, except the piece that is written now. */
  readonly #waiting: Piece[] = [];
  /** Characters of the waiting pieces and of the piece that is written now. */
  #waitingLength = 0;
  /** Number of waiting pieces that have gathered and are due. */
  #due = 0;
  #lost = 0;
  /** Files whose last write failed. */
  readonly #failing = new Set<number>();
  /** The file of the write that is going on. */
  #writingTo = 0;
  /** Files that have said EAGAIN: the kernel keeps no write to them, it answers at once. */
  readonly #nonBlocking = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #retry: (() => void) | undefined;
  /** Called when nothing waits any more. It is set at the end of the process. */
  #onEmpty: (() => void) | undefined;

  constructor(options: LineOutputOptions) {
    this.#options = options;
    // An uncaught error ends the process at once.
    process.on("exit", () => this.#writeRest());
  }

  /** Takes a line with its line feed, or other text for a terminal. */
  write(fd: number, line: string): void {
    if (this.#waitingLength >= this.#options.maxWaitingLength) {
      this.#lost += 1;
      return;
    }
    const last = this.#waiting.at(-1);
    if (last?.fd === fd && last.text.length < fullLength) last.text += line;
    else this.#waiting.push({ fd, text: line });
    this.#waitingLength += line.length;
    if (this.#state === "idle") this.#gather();
    else if (this.#state === "gathering" && this.#waitingLength >= fullLength) this.#writeGathered();
  }

  /** A write waits for its reader. What is of use only now should not be added. */
  get isBehind(): boolean {
    return this.#state === "writing" || this.#state === "retrying";
  }

  /**
   * Writes the waiting lines at the end of the process: nothing may be written afterwards. Resolves when all
   * are written or cannot be, after a second at the latest. The result is true when a write still waits for
   * its reader in the kernel.
   */
  flush(): Promise<boolean> {
    if (this.#state === "idle") return Promise.resolve(false);
    return new Promise((resolve) => {
      const finish = (isStuck: boolean): void => {
        clearTimeout(timer);
        this.#waiting.length = 0;
        resolve(isStuck);
      };
      const timer = setTimeout(() => finish(this.#isInKernel), endTimeoutMs);
      this.#onEmpty = () => finish(false);
      clearTimeout(this.#timer);
      if (this.#state === "gathering") this.#writeGathered();
      else if (this.#state === "retrying") this.#retry?.();
    });
  }

  /** Ends the process with `status` after a {@link flush}. */
  async exit(status: number): Promise<void> {
    const isStuck = await this.flush();
    if (!isStuck) process.exit(status);
    // `exit` would wait for the write that is in the kernel. Only a signal ends such a write.
    process.removeAllListeners("SIGTERM");
    process.kill(process.pid, "SIGTERM");
  }

  /** A write waits there for its reader, and would keep the process. */
  get #isInKernel(): boolean {
    return this.#state === "writing" && !this.#nonBlocking.has(this.#writingTo);
  }

  #gather(): void {
    this.#state = "gathering";
    this.#timer = setTimeout(() => this.#writeGathered(), this.#options.gatherMs);
  }

  #writeGathered(): void {
    clearTimeout(this.#timer);
    this.#due = this.#waiting.length;
    this.#next();
  }

  #next(): void {
    const isEnding = this.#onEmpty !== undefined;
    if (isEnding || this.#waitingLength >= fullLength) this.#due = this.#waiting.length;
    const piece = this.#due > 0 ? this.#waiting.shift() : undefined;
    if (piece !== undefined) {
      this.#due -= 1;
      this.#write(piece, Buffer.from(piece.text));
    } else if (this.#waiting.length > 0) this.#gather();
    else {
      this.#state = "idle";
      this.#onEmpty?.();
    }
  }

  /** `bytes`: the part of the piece that is not written yet. */
  #write(piece: Piece, bytes: Buffer): void {
    this.#state = "writing";
    this.#writingTo = piece.fd;
    const onDone = (error: NodeJS.ErrnoException | null | undefined, written: number): void => {
      if (error) this.#onError(piece, bytes, error);
      else if (written < bytes.length) this.#write(piece, bytes.subarray(written));
      else this.#onWritten(piece);
    };
    const { streamFor = unicodeStream } = this.#options;
    // UTF-8 is as long as the text if it is plain ASCII.
    const stream = bytes.length === piece.text.length ? undefined : streamFor(piece.fd);
    if (stream === undefined) write(piece.fd, bytes, onDone);
    else stream.write(bytes, (error) => onDone(error, bytes.length));
  }

  #onError(piece: Piece, bytes: Buffer, error: NodeJS.ErrnoException): void {
    // A full pipe that may not be waited for is no failure.
    const isFull = error.code === "EAGAIN";
    if (isFull) this.#nonBlocking.add(piece.fd);
    const isEnding = this.#onEmpty !== undefined;
    if (isFull || (this.#options.onFailed === undefined && !isEnding)) {
      this.#state = "retrying";
      this.#retry = () => this.#write(piece, bytes);
      this.#timer = setTimeout(this.#retry, retryMs);
      return;
    }
    this.#waitingLength -= piece.text.length;
    if (!this.#failing.has(piece.fd)) this.#options.onFailed?.(piece.fd, error);
    this.#failing.add(piece.fd);
    this.#next();
  }

  #onWritten(piece: Piece): void {
    this.#failing.delete(piece.fd);
    this.#waitingLength -= piece.text.length;
    // The message about lost lines is a line too, and needs room.
    if (this.#lost > 0 && this.#waitingLength <= this.#options.maxWaitingLength / 2) {
      const lost = this.#lost;
      this.#lost = 0;
      this.#options.onLost(lost);
    }
    this.#next();
  }

  #writeRest(): void {
    for (const { fd, text } of this.#waiting) {
      try {
        writeSync(fd, text);
      } catch {
        // No output is left for a message.
      }
    }
  }
}
