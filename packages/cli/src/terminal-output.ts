import { write, writeSync } from "node:fs";
import { isatty } from "node:tty";
import type { Output } from "./render.js";

/** How long a line may wait for others, in milliseconds: a write for each takes a tenth of a busy client's time. */
const gatherMs = 20;
/** How many characters may wait for a reader; what comes beyond is lost. */
const maxWaitingLength = 1_048_576;
/** When a pipe that is full, and may not be waited for, is tried again, in milliseconds. */
const retryMs = 100;

interface Text {
  fd: 1 | 2;
  text: string;
}

/**
 * The standard output and the standard error, in one order, since on a terminal they are read as one text. Nobody waits for
 * their reader: a terminal that is paused (Ctrl-S) does not stop the tunnel.
 */
export class TerminalOutput implements Output {
  readonly colors = isatty(1) && process.env["NO_COLOR"] === undefined;
  readonly #onReaderGone: () => void;
  #waiting: Text[] = [];
  /** Have gathered, and go out one after the other. */
  #leaving: Text[] = [];
  #waitingLength = 0;
  #lost = 0;
  /** Lines gather, or a write is going on. */
  #isBusy = false;
  #isInKernel = false;
  #isReaderGone = false;
  /** Called when nothing waits any more. */
  #onFlushed: (() => void) | undefined;
  #isFailing = false;

  /** `onReaderGone`: nobody reads the standard output any more, as after `| head`. */
  constructor(onReaderGone: () => void) {
    this.#onReaderGone = onReaderGone;
    // An error that nobody caught ends the process at once.
    process.on("exit", () => this.#writeRest());
  }

  out(line: string): void {
    if (!this.#isReaderGone) this.#add(1, line);
  }

  err(line: string): void {
    this.#add(2, line);
  }

  /** Resolves when all is written, or `timeoutMs` have passed: true when a write still waits in the kernel then. */
  flush(timeoutMs: number): Promise<boolean> {
    if (!this.#isBusy) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(this.#isInKernel), timeoutMs);
      this.#onFlushed = () => {
        clearTimeout(timer);
        resolve(false);
      };
    });
  }

  #add(fd: 1 | 2, line: string): void {
    if (this.#waitingLength >= maxWaitingLength) {
      this.#lost += 1;
      return;
    }
    const text = `${line}\n`;
    const last = this.#waiting.at(-1);
    if (last?.fd === fd) last.text += text;
    else this.#waiting.push({ fd, text });
    this.#waitingLength += text.length;
    if (!this.#isBusy) this.#gather();
  }

  #gather(): void {
    this.#isBusy = true;
    setTimeout(() => {
      this.#leaving = this.#waiting;
      this.#waiting = [];
      this.#next();
    }, gatherMs);
  }

  #next(): void {
    const next = this.#leaving.shift();
    if (next !== undefined) {
      this.#waitingLength -= next.text.length;
      this.#write(next.fd, Buffer.from(next.text));
    } else if (this.#waiting.length > 0) this.#gather();
    else {
      this.#isBusy = false;
      this.#onFlushed?.();
    }
  }

  #write(fd: 1 | 2, bytes: Buffer): void {
    this.#isInKernel = true;
    write(fd, bytes, (error, written) => {
      this.#isInKernel = false;
      if (error?.code === "EAGAIN") setTimeout(() => this.#write(fd, bytes), retryMs);
      else if (error !== null) this.#onError(fd, error);
      else if (written < bytes.length) this.#write(fd, bytes.subarray(written));
      else this.#onWritten();
    });
  }

  #onWritten(): void {
    this.#isFailing = false;
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.err(`lines lost because nobody read them in time: ${lost}`);
    this.#next();
  }

  #onError(fd: 1 | 2, error: NodeJS.ErrnoException): void {
    if (fd === 1 && error.code === "EPIPE") {
      if (!this.#isReaderGone) this.#onReaderGone();
      this.#isReaderGone = true;
    } else if (fd === 1 && !this.#isFailing) {
      // A full disk, say. The tunnel is worth more than its lines.
      this.#isFailing = true;
      this.err(`cannot write to the standard output (${error.message}): lines are lost`);
    }
    this.#next();
  }

  #writeRest(): void {
    for (const { fd, text } of [...this.#leaving, ...this.#waiting]) {
      try {
        writeSync(fd, text);
      } catch {
        // There is nobody to tell.
      }
    }
  }
}
