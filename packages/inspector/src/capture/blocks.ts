/** Bytes of a block. A body of the longest kind has eight of them. */
export const blockBytes = 32_768;

/** Blocks that wait for their next use. Beyond that, they are left to the garbage collector. */
const maxFree = 128;

/**
 * Memory for bodies, used again and again. V8 collects memory outside of its heap only after 64 MB of it have
 * become garbage, and a ring that downloads push through makes that much in seconds.
 */
export class Blocks {
  readonly #free: Buffer[] = [];

  /** What is in the block is what was in it before. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
  }

  /** Nobody may look at the block afterwards. */
  give(block: Buffer): void {
    if (this.#free.length < maxFree) this.#free.push(block);
  }
}
