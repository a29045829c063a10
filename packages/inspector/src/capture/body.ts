import type { CapturedBody } from "../captured.js";
import { maxBodyBytes } from "../limits.js";
import { blockBytes, type Blocks } from "./blocks.js";
import { bufferBytes, stringBytes } from "./costs.js";
import type { Load } from "./load.js";

/** The longest first chunk that is kept as a string. */
const maxTextBytes = 4_096;
/** The smallest block for what follows. */
const minBlockBytes = 512;
const nothing = Buffer.alloc(0);
/** Replaced before the first block is added. */
const noBlocks: Buffer[] = [];

/** The body of an exchange that has none. */
export const noBody: CapturedBody = {
  bytes: 0,
  kept: 0,
  missed: false,
  bufferOf: () => nothing,
  includes: () => false,
};

/** A body on its way. Its first bytes are copied, because they are only lent. */
export class Body implements CapturedBody {
  bytes = 0;
  kept = 0;
  missed = false;
  /** Memory that is held. */
  held = 0;
  /**
   * A small first chunk, one character for each byte. A small Buffer of Node's pool would keep 8 KiB, and one
   * with memory of its own costs a microsecond and more of garbage collection.
   */
  #text = "";
  /** What came after that. The last one may have room left. */
  #own: Buffer[] = noBlocks;
  #room = 0;
  readonly #blocks: Blocks;

  constructor(blocks: Blocks) {
    this.#blocks = blocks;
  }

  /** Counts bytes that are not kept. */
  count(bytes: number): void {
    this.bytes += bytes;
  }

  /** Keeps what it may of the next bytes. */
  append(chunk: Buffer, load: Load): void {
    this.bytes += chunk.length;
    if (this.missed || this.kept === maxBodyBytes) return;
    const length = Math.min(chunk.length, maxBodyBytes - this.kept);
    if (load.takeBytes(length)) this.#keep(chunk, length);
    else this.miss(load);
  }

  /** Too much came at once: nothing of this body is kept, because a part without its beginning misleads. */
  miss(load: Load): void {
    if (this.missed) return;
    this.missed = true;
    load.missedBody();
    this.forget();
  }

  /** Keeps nothing any more. What was kept may be overwritten from now on. */
  forget(): void {
    this.kept = 0;
    this.held = 0;
    this.#text = "";
    for (const block of this.#own) if (block.length === blockBytes) this.#blocks.give(block);
    this.#own = noBlocks;
    this.#room = 0;
  }

  bufferOf(): Buffer {
    return Buffer.concat([Buffer.from(this.#text, "latin1"), ...this.#own], this.kept);
  }

  includes(text: string): boolean {
    return this.#own === noBlocks ? this.#text.includes(text) : this.bufferOf().includes(text);
  }

  #keep(chunk: Buffer, length: number): void {
    if (length === 0) return;
    if (this.kept === 0 && length <= maxTextBytes) {
      this.#text = chunk.toString("latin1", 0, length);
      this.held = stringBytes + length;
    } else this.#append(chunk, length);
    this.kept += length;
  }

  #append(chunk: Buffer, length: number): void {
    if (this.#own === noBlocks) this.#own = [];
    let at = this.#fill(chunk, 0, length);
    while (at < length) {
      const block = this.#newBlock(length - at);
      this.#own.push(block);
      this.#room = block.length;
      this.held += bufferBytes + block.length;
      at = this.#fill(chunk, at, length);
    }
  }

  /** Copies into what is left of the last block. Returns where it has stopped. */
  #fill(chunk: Buffer, from: number, to: number): number {
    if (this.#room === 0) return from;
    const last = this.#own.at(-1) as Buffer;
    const copied = chunk.copy(last, last.length - this.#room, from, Math.min(to, from + this.#room));
    this.#room -= copied;
    return from + copied;
  }

  /**
   * Small bodies get small blocks. Many small chunks share one, which is as long as what came before them.
   */
  #newBlock(needed: number): Buffer {
    const size = Math.max(needed, minBlockBytes, this.kept);
    return size > blockBytes / 2 ? this.#blocks.take() : Buffer.allocUnsafeSlow(size);
  }
}
