import type { Paced, Pacer } from "../admission/pacer.js";

/** What a lane tells its stream. */
export interface LaneOwner {
  /** Bytes may pass. `isLast`: the lane has no more of them now. */
  onPiece(piece: Buffer, isLast: boolean): void;
  /** All bytes that had to wait have passed. */
  onEmpty(): void;
  /** Bytes have to wait, and no others of the token did. */
  onSlowed(): void;
  /** `onPiece` or `onEmpty` threw in a turn of the lane's own. */
  onFault(error: unknown): void;
}

/** One direction of a stream, at the pace of its token. */
export class Lane implements Paced {
  readonly #pacer: Pacer;
  readonly #owner: LaneOwner;
  #held: Buffer[] = [];

  constructor(pacer: Pacer, owner: LaneOwner) {
    this.#pacer = pacer;
    this.#owner = owner;
  }

  /** Nothing waits. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  get nextBytes(): number {
    return this.#held[0]?.length ?? 0;
  }

  /** Passes the chunk on, in this turn if that is possible. Returns whether it was. */
  push(chunk: Buffer): boolean {
    if (chunk.length === 0) return true;
    if (this.isEmpty && this.#pacer.take(chunk.length)) {
      this.#owner.onPiece(chunk, true);
      return true;
    }
    this.#held.push(chunk);
    if (this.#held.length === 1 && this.#pacer.wait(this)) this.#owner.onSlowed();
    return false;
  }

  proceed(bytes: number): void {
    const [chunk] = this.#held as [Buffer];
    if (bytes < chunk.length) this.#held[0] = chunk.subarray(bytes);
    else this.#held.shift();
    try {
      this.#owner.onPiece(chunk.subarray(0, bytes), this.isEmpty);
      if (this.isEmpty) this.#owner.onEmpty();
    } catch (error) {
      this.#owner.onFault(error);
    }
    // It has waited already, so this is nothing to tell.
    if (!this.isEmpty) this.#pacer.wait(this);
  }

  /** Gives up what waits. */
  drop(): void {
    this.#held = [];
    this.#pacer.leave(this);
  }
}
