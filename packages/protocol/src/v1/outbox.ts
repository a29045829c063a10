import { writeFrameHeader } from "./encode.js";
import { endFlag, frameTypes, headerBytes } from "./frame.js";
import { Violation } from "./violation.js";

/**
 * Lengths of a slab, which small frames share. It is given up when the session falls quiet. A relay has
 * thousands of sessions, of which most are seldom used. So a slab is short at first. The one after a full
 * slab is twice as long, and the one after a quiet time half as long.
 */
const firstSlabBytes = 2_048;
const greatestSlabBytes = 32_768;
/**
 * Chunks up to this size are copied into the slab. Larger ones go by reference, which saves a copy (measured:
 * docs/performance-history.md).
 */
const copyBytes = 4_096;

/**
 * The counted frames of one direction on their way to the peer. The *batch* gathers frames until it is sent.
 * Sent frames are kept until they are acknowledged, to be sent again over another link.
 *
 * Every buffer here is one WebSocket message. It ends at a frame border or between a DATA header and its
 * payload, so the messages of one batch must be sent without anything between them.
 */
export class Outbox {
  #slab: Buffer | undefined;
  /** The length of the newest slab, or of the next one while there is none. */
  #slabBytes = firstSlabBytes;
  #slabStart = 0;
  #slabAt = 0;
  #batch: Buffer[] = [];
  #batchBytes = 0;
  readonly #kept: Buffer[] = [];
  /** Offset of the first byte kept: all before it was acknowledged. */
  #keptFrom = 0;
  #sentTo = 0;
  // Place of the flags of the batch's last frame, so that END can still be put on that frame.
  #lastSlab: Buffer | undefined;
  #lastAt = 0;
  #lastStream = 0;

  /** Bytes that wait in the batch. */
  get batchBytes(): number {
    return this.#batchBytes;
  }

  /** Offset before which the peer has everything. */
  get acknowledged(): number {
    return this.#keptFrom;
  }

  /** Bytes sent (or taken from the batch) and not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#sentTo - this.#keptFrom;
  }

  /** Appends a frame whose payload is text with one char per byte: `payload`, and `more` behind it. */
  text(typeAndFlags: number, streamId: number, payload: string, more = ""): void {
    const length = payload.length + more.length;
    const at = this.#frame(typeAndFlags, streamId, length, length);
    const slab = this.#slab as Buffer;
    slab.write(payload, at, payload.length, "latin1");
    if (more !== "") slab.write(more, at + payload.length, more.length, "latin1");
  }

  /** Appends a frame whose payload is a 32-bit number. */
  number(typeAndFlags: number, streamId: number, payload: number): void {
    const at = this.#frame(typeAndFlags, streamId, 4, 4);
    (this.#slab as Buffer).writeUInt32BE(payload, at);
  }

  /** Appends a frame with a payload of bytes. A large payload is kept by reference. */
  bytes(typeAndFlags: number, streamId: number, payload: Buffer): void {
    if (payload.length <= copyBytes) {
      const at = this.#frame(typeAndFlags, streamId, payload.length, payload.length);
      payload.copy(this.#slab as Buffer, at);
      return;
    }
    this.#frame(typeAndFlags, streamId, payload.length, 0);
    this.#seal();
    this.#batch.push(payload);
    this.#batchBytes += payload.length;
  }

  /**
   * Puts the END flag on the last frame of the batch if it is DATA or RESPONSE of this stream and has not
   * left yet. So a head, a body and an end that are ready together are one or two frames.
   */
  markEnd(streamId: number): boolean {
    const slab = this.#lastSlab;
    if (slab === undefined || this.#lastStream !== streamId) return false;
    const first = slab[this.#lastAt] as number;
    if (first !== frameTypes.data && first !== frameTypes.response) return false;
    slab[this.#lastAt] = first | endFlag;
    return true;
  }

  /** Takes the batch out. Its messages must be sent now, in order, or later when a link comes. */
  take(): Buffer[] {
    this.#seal();
    const batch = this.#batch;
    for (const message of batch) this.#kept.push(message);
    this.#sentTo += this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#lastSlab = undefined;
    return batch;
  }

  /**
   * The peer has processed everything before `offset`.
   * @throws Violation for an offset outside what was sent and kept.
   */
  acknowledge(offset: number): void {
    if (!(offset >= this.#keptFrom && offset <= this.#sentTo)) {
      throw new Violation(`acknowledged offset ${offset} is outside ${this.#keptFrom}-${this.#sentTo}`);
    }
    let count = 0;
    let from = this.#keptFrom;
    for (const message of this.#kept) {
      if (from + message.length > offset) break;
      from += message.length;
      count += 1;
    }
    this.#kept.splice(0, count);
    const rest = this.#kept[0];
    if (rest !== undefined && from < offset) this.#kept[0] = rest.subarray(offset - from);
    this.#keptFrom = offset;
    if (this.#kept.length === 0 && this.#batchBytes === 0 && this.#slabAt === this.#slabStart) {
      this.#slab = undefined;
      this.#slabBytes = Math.max(this.#slabBytes / 2, firstSlabBytes);
    }
  }

  /** The kept messages, to be sent again. */
  kept(): readonly Buffer[] {
    return this.#kept;
  }

  /** Writes a frame header and makes room for `inline` payload bytes, whose position it returns. */
  #frame(typeAndFlags: number, streamId: number, length: number, inline: number): number {
    const needed = headerBytes + inline;
    if (this.#slab === undefined || this.#slab.length - this.#slabAt < needed) {
      this.#seal();
      if (this.#slab !== undefined) this.#slabBytes = Math.min(2 * this.#slabBytes, greatestSlabBytes);
      this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, needed));
      this.#slabStart = 0;
      this.#slabAt = 0;
    }
    const at = this.#slabAt;
    writeFrameHeader(this.#slab, at, typeAndFlags, length, streamId);
    this.#lastSlab = this.#slab;
    this.#lastAt = at;
    this.#lastStream = streamId;
    this.#slabAt = at + needed;
    this.#batchBytes += needed;
    return at + headerBytes;
  }

  /** Closes the run of small frames in the slab: it becomes a message of the batch. */
  #seal(): void {
    if (this.#slab === undefined || this.#slabAt === this.#slabStart) return;
    this.#batch.push(this.#slab.subarray(this.#slabStart, this.#slabAt));
    this.#slabStart = this.#slabAt;
  }
}
