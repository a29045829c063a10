/**
 * Period of {@link bytesAt}: a prime, so that no buffer size divides it and a lost or doubled chunk always
 * shows.
 */
const period = 1_048_583;

const block = makeBlock();

/** xorshift32, so that neither runs nor compression hide a mistake. */
function makeBlock(): Buffer {
  const bytes = Buffer.alloc(period);
  let state = 0x9e3779b9;
  for (let i = 0; i < period; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}

/**
 * The test body's bytes from `offset` on. They are always the same, so that any piece can be checked by
 * itself.
 */
export function bytesAt(offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) done += block.copy(bytes, done, (offset + done) % period);
  return bytes;
}

/** Checks that the pieces that arrive are the test body from its start. */
export class ByteChecker {
  /** Bytes seen so far, all of them correct. */
  length = 0;

  /** @throws Error naming the offset of the first wrong byte. */
  update(chunk: Uint8Array): void {
    const expected = bytesAt(this.length, chunk.length);
    if (!expected.equals(chunk)) {
      const wrong = expected.findIndex((byte, i) => byte !== chunk[i]);
      throw new Error(`byte ${this.length + wrong} is ${chunk[wrong]}, not ${expected[wrong]}`);
    }
    this.length += chunk.length;
  }
}
