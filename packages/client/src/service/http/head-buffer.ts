const [lf, cr] = [0x0a, 0x0d];

/**
 * The bytes of a head that comes in pieces, and the bytes behind it. Each byte is copied and looked at a
 * bounded number of times.
 */
export class HeadBuffer {
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  /** The first byte that may be the LF before an empty line. */
  #unsearched = 0;
  /** Empty lines stood before the head (RFC 9112 section 2.2 has servers skip them). */
  hasBlankLines = false;

  get length(): number {
    return this.#end - this.#start;
  }

  /** The bytes that have come. They stay as they are until the next `append`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  append(chunk: Buffer): void {
    if (this.length === 0) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#unsearched = 0;
    } else {
      if (this.#end + chunk.length > this.#bytes.length) this.#grow(chunk.length);
      this.#end += chunk.copy(this.#bytes, this.#end);
    }
    this.#skipBlankLines();
  }

  /** The length of the head with its empty line, as soon as the head has come. */
  headLength(): number | undefined {
    for (;;) {
      const found = this.#bytes.subarray(this.#unsearched, this.#end).indexOf(lf);
      if (found === -1) {
        this.#unsearched = this.#end;
        return undefined;
      }
      const at = this.#unsearched + found;
      this.#unsearched = at;
      let next = at + 1;
      if (next < this.#end && this.#bytes[next] === cr) next += 1;
      if (next >= this.#end) return undefined;
      if (this.#bytes[next] === lf) return next + 1 - this.#start;
      this.#unsearched = next;
    }
  }

  /** Removes the first bytes. */
  skip(length: number): void {
    this.#start += length;
    this.#unsearched = this.#start;
    this.#skipBlankLines();
  }

  #grow(more: number): void {
    const { bytes } = this;
    // New memory, because the chunk's own belongs to others.
    const larger = Buffer.allocUnsafeSlow(Math.max(4_096, 2 * (bytes.length + more)));
    bytes.copy(larger);
    this.#unsearched -= this.#start;
    this.#start = 0;
    this.#end = bytes.length;
    this.#bytes = larger;
  }

  #skipBlankLines(): void {
    for (;;) {
      const hasCr = this.#bytes[this.#start] === cr;
      const at = hasCr ? this.#start + 1 : this.#start;
      if (at >= this.#end || this.#bytes[at] !== lf) return;
      this.#start = at + 1;
      this.#unsearched = this.#start;
      this.hasBlankLines = true;
    }
  }
}
