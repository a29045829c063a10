import { Buffer } from "node:buffer";

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

interface LinesOwner {
  /** A line without its end: LF, or CR and LF. */
  onLine(line: string): void;
  /** The beginning of a line that is longer than allowed. What follows of it is dropped. */
  onLongLine(start: string): void;
}

/**
 * Splits a stream of UTF-8 into lines. The bytes of a line are put together first and decoded then, because a
 * character may lie across two chunks. A line's bytes are copied a few times at most, however small the
 * chunks.
 */
export class Lines {
  readonly #owner: LinesOwner;
  readonly #maxBytes: number;
  /** The beginning of a line whose end has not come: the first {@link #heldBytes} of it. */
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  #state: "line" | "rest of a long line" = "line";

  constructor(owner: LinesOwner, maxBytes: number) {
    this.#owner = owner;
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      this.#take(chunk.subarray(start, end));
      this.#end();
      start = end + 1;
    }
    if (start < chunk.length) this.#take(chunk.subarray(start));
  }

  /** The stream has ended. What came after its last LF is a line as well. */
  finish(): void {
    if (this.#heldBytes > 0) this.#end();
  }

  #take(part: Buffer): void {
    if (part.length === 0 || this.#state !== "line") return;
    const bytes = this.#heldBytes + part.length;
    // A CR before the LF is no part of the line. It may be the one byte too many.
    if (bytes > this.#maxBytes + 1 || (bytes > this.#maxBytes && part.at(-1) !== carriageReturn)) {
      const missing = Math.max(0, this.#maxBytes - this.#heldBytes);
      this.#hold(part.subarray(0, missing));
      const line = this.#release(this.#maxBytes);
      this.#state = "rest of a long line";
      this.#owner.onLongLine(line);
    } else this.#hold(part);
  }

  #hold(part: Buffer): void {
    const bytes = this.#heldBytes + part.length;
    if (bytes > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    part.copy(this.#held, this.#heldBytes);
    this.#heldBytes = bytes;
  }

  #end(): void {
    if (this.#state === "line") {
      const hasCarriageReturn = this.#heldBytes > 0 && this.#held[this.#heldBytes - 1] === carriageReturn;
      this.#owner.onLine(this.#release(this.#heldBytes - (hasCarriageReturn ? 1 : 0)));
    } else this.#state = "line";
  }

  #release(bytes: number): string {
    const line = this.#held.toString("utf8", 0, bytes);
    this.#heldBytes = 0;
    // A large buffer is not kept for the small lines that most are.
    if (this.#held.length > 65_536) this.#held = Buffer.alloc(0);
    return line;
  }
}
