import type { CapturedBody } from "../captured.js";
import { maxBodyBytes } from "../limits.js";
import { bufferBytes, stringBytes } from "./costs.js";
import type { Load } from "./load.js";

/** The longest first chunk that is kept as a string. */
const maxTextBytes = 4_096;
/** The smallest and the largest block that is made for more than what comes at once. */
const minBlockBytes = 512;
const maxSpareBytes = 16_384;
const nothing = Buffer.alloc(0);

/** The body of an exchange that has none. */
export const noBody: CapturedBody = { bytes: 0, kept: 0, missed: false, bufferOf: () => nothing };

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
  /** What came after that. The last block may have room left. */
  #blocks: Buffer[] | undefined;
  #room = 0;

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

  /** Keeps nothing any more. */
  forget(): void {
    this.kept = 0;
    this.held = 0;
    this.#text = "";
    this.#blocks = undefined;
    this.#room = 0;
  }

  bufferOf(): Buffer {
    const blocks = this.#blocks ?? [];
    return Buffer.concat([Buffer.from(this.#text, "latin1"), ...blocks], this.kept);
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
    this.#blocks ??= [];
    let at = 0;
    if (this.#room > 0) {
      const last = this.#blocks.at(-1) as Buffer;
      at = chunk.copy(last, last.length - this.#room, 0, Math.min(length, this.#room));
      this.#room -= at;
    }
    if (at === length) return;
    // Many small chunks share a block, which is as long as what came before them.
    const spare = Math.max(minBlockBytes, Math.min(this.kept, maxSpareBytes));
    const size = this.kept === 0 ? length : Math.max(length - at, spare);
    const block = Buffer.allocUnsafeSlow(size);
    chunk.copy(block, 0, at, length);
    this.#blocks.push(block);
    this.#room = size - (length - at);
    this.held += bufferBytes + size;
  }
}
