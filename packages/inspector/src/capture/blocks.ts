/** Bytes of a block. A body of the longest kind has eight of them. */
export const blockBytes = 32_768;

/** Blocks of a slab, which is one piece of memory. */
const slabBlocks = 32;

/** Blocks that may wait for their next use before slabs are let go. */
const maxFree = 512;

/**
 * Memory for bodies, used again and again. V8 collects memory outside of its heap only after 64 MB of it have
 * become garbage, and a ring that downloads push through makes that much in seconds.
 *
 * V8 does not count shared memory. If it counted 64 MiB that stay, it would let the Buffers that pass by pile
 * up for longer. A slab is long enough to get pages of its own, and so leaves no gaps between those Buffers.
 */
export class Blocks {
  #free: Buffer[] = [];
  /** How many blocks of each slab are free. */
  readonly #freeOf = new Map<ArrayBufferLike, number>();

  /** What is in the block is what was in it before. */
  take(): Buffer {
    const block = this.#free.pop() ?? this.#newSlab();
    this.#freeOf.set(block.buffer, (this.#freeOf.get(block.buffer) ?? 0) - 1);
    return block;
  }

  /** Nobody may look at the block afterwards. */
  give(block: Buffer): void {
    this.#free.push(block);
    this.#freeOf.set(block.buffer, (this.#freeOf.get(block.buffer) ?? 0) + 1);
    if (this.#free.length > maxFree) this.#letGo();
  }

  /** Returns one of the blocks of a new slab. The others are free. */
  #newSlab(): Buffer {
    const slab = new SharedArrayBuffer(slabBlocks * blockBytes);
    for (let at = blockBytes; at < slab.byteLength; at += blockBytes) {
      this.#free.push(Buffer.from(slab, at, blockBytes));
    }
    this.#freeOf.set(slab, slabBlocks);
    return Buffer.from(slab, 0, blockBytes);
  }

  /** Lets the slabs go of which no block is in use. */
  #letGo(): void {
    this.#free = this.#free.filter(({ buffer }) => this.#freeOf.get(buffer) !== slabBlocks);
    for (const [slab, free] of this.#freeOf) if (free === slabBlocks) this.#freeOf.delete(slab);
  }
}
