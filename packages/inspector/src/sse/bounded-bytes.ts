/** Bytes that come in parts. The first `maxBytes` of them are kept, in memory of their own. */
export class BoundedBytes {
  #buffer: Buffer | undefined;
  #length = 0;
  #isCut = false;

  get length(): number {
    return this.#length;
  }

  /** Memory that is held. */
  get held(): number {
    return this.#buffer?.length ?? 0;
  }

  /** There were more bytes than were kept. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Copies the bytes of `from` between `start` and `end`. At most `maxBytes` are kept together. */
  append(from: Buffer, start: number, end: number, maxBytes: number): void {
    const wanted = this.#length + end - start;
    const length = Math.max(this.#length, Math.min(wanted, maxBytes));
    if (length < wanted) this.#isCut = true;
    if (length === this.#length) return;
    this.#reserve(length, maxBytes);
    from.copy(this.#buffer as Buffer, this.#length, start, start + length - this.#length);
    this.#length = length;
  }

  /** The bytes that are kept. They are valid until the next call of another method. */
  bytes(): Buffer {
    return (this.#buffer ?? nothing).subarray(0, this.#length);
  }

  clear(): void {
    this.#buffer = undefined;
    this.#length = 0;
    this.#isCut = false;
  }

  #reserve(length: number, maxBytes: number): void {
    if (this.held >= length) return;
    // Memory of its own: a piece of Node's pool would keep all 8 KiB of it.
    const larger = Buffer.allocUnsafeSlow(Math.max(length, Math.min(2 * length, maxBytes)));
    this.#buffer?.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

const nothing = Buffer.alloc(0);
