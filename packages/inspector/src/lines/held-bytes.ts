/** The longest body that is read, in bytes. An error at the end of a longer answer is not seen. */
export const maxReadBytes = 65_536;

/** Bytes that all bodies which are being gathered may take together. */
const maxHeldBytes = 4 * 1_024 * 1_024;

/** Memory for bodies, of all exchanges together: visitors decide how many of them are open. */
export class HeldBytes {
  #held = 0;

  /** Takes `bytes` more, unless that is too much. */
  take(bytes: number): boolean {
    if (this.#held + bytes > maxHeldBytes) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** A body that is gathered to be read, if it is not too long. */
export class ShortBody {
  readonly #memory: HeldBytes;
  #chunks: Buffer[] = [];
  #length = 0;
  #isTooLong = false;

  constructor(memory: HeldBytes) {
    this.#memory = memory;
  }

  /** `chunk` is only lent, so it is copied. */
  add(chunk: Buffer): void {
    if (this.#isTooLong) return;
    if (this.#length + chunk.length > maxReadBytes || !this.#memory.take(chunk.length)) {
      this.drop();
      this.#isTooLong = true;
      return;
    }
    this.#length += chunk.length;
    this.#chunks.push(Buffer.from(chunk));
  }

  /** The whole text, once. Undefined if the body was too long, or there was none. */
  read(): string | undefined {
    if (this.#length === 0) return undefined;
    const [first] = this.#chunks;
    const text = (this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks))?.toString();
    this.drop();
    return text;
  }

  /** Gives the memory back. */
  drop(): void {
    this.#memory.give(this.#length);
    this.#chunks = [];
    this.#length = 0;
  }
}
