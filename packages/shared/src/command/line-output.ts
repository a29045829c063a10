import { write, writeSync } from "node:fs";

/** So many characters are written without waiting for more. */
const fullLength = 65_536;
/** When a pipe that is full, or a disk, is tried again, in milliseconds. */
const retryMs = 100;
/** How long the end of the process waits for a reader, in milliseconds. */
const endTimeoutMs = 1_000;

export interface LineOutputOptions {
  /**
   * How long a line may wait for others, in milliseconds: a write for each takes a tenth of a busy process's
   * time.
   */
  gatherMs: number;
  /** How many characters may wait for a reader. The lines beyond are lost. */
  maxWaitingLength: number;
  /** Told of the lines that are lost, once there is room again. */
  onLost(lines: number): void;
  /**
   * Told of a write that failed for good, because the reader has left (EPIPE) or the disk is full, say, and
   * not again until one succeeds; the lines are lost. Default: they wait, and are tried again until they are
   * written.
   */
  onFailed?(fd: number, error: NodeJS.ErrnoException): void;
}

/** Lines that go out with one write. */
interface Piece {
  readonly fd: number;
  text: string;
}

/**
 * Writes lines to files that the process has open, its standard output and standard error, in one order,
 * since on a terminal they are read as one text. It never waits for a reader: neither a terminal that is
 * paused (Ctrl-S), nor a reader who has stopped, nor a full disk stops the process.
 *
 * A line waits for others (`gathering`), and all go out piece by piece (`writing`); a piece that cannot be
 * written now is tried again (`retrying`). At most one write is in the kernel at a time.
 */
export class LineOutput {
  readonly #options: LineOutputOptions;
  #state: "idle" | "gathering" | "writing" | "retrying" = "idle";
  /** What has to be written, but for the piece that is written now. */
  readonly #waiting: Piece[] = [];
  /** The characters of both. */
  #waitingLength = 0;
  /** How many pieces have gathered. */
  #due = 0;
  #lost = 0;
  /** The files of which the last write failed. */
  readonly #failing = new Set<number>();
  /** The file of the write that is going on. */
  #writingTo = 0;
  /** Files that have said EAGAIN: the kernel keeps no write to them, it answers at once. */
  readonly #nonBlocking = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #retry: (() => void) | undefined;
  /** Set from the end of the process on: called when nothing waits any more. */
  #onEmpty: (() => void) | undefined;

  constructor(options: LineOutputOptions) {
    this.#options = options;
    // An error that nobody caught ends the process at once.
    process.on("exit", () => this.#writeRest());
  }

  /** Takes a line with its end. */
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

  /**
   * Writes what waits, at the end of the process: nothing may be written afterwards. Resolves when all is
   * written or cannot be, after a second at the latest: with true when a write still waits for its reader in
   * the kernel.
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

  /** Ends the process when all is written, as {@link flush} does it, with `status`. */
  async exit(status: number): Promise<void> {
    const isStuck = await this.flush();
    if (!isStuck) process.exit(status);
    // `exit` would wait for a write that is in the kernel, which only a signal ends.
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

  /** `bytes`: what of the piece is not written yet. */
  #write(piece: Piece, bytes: Buffer): void {
    this.#state = "writing";
    this.#writingTo = piece.fd;
    write(piece.fd, bytes, (error, written) => {
      if (error !== null) this.#onError(piece, bytes, error);
      else if (written < bytes.length) this.#write(piece, bytes.subarray(written));
      else this.#onWritten(piece);
    });
  }

  #onError(piece: Piece, bytes: Buffer, error: NodeJS.ErrnoException): void {
    // A pipe that is full, and may not be waited for, is no failure.
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
    // What is told of them is a line too, for which there has to be room.
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
        // There is nobody to tell.
      }
    }
  }
}
