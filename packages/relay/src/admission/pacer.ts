import { Bucket } from "./bucket.js";

/** A direction of a stream that has bytes to pass on, and waits for its turn. */
export interface Paced {
  /** Bytes that could pass in one piece. Above 0 while it waits. */
  readonly nextBytes: number;
  /** Passes on so many bytes. Waits again if there is more. May not throw. */
  proceed(bytes: number): void;
}

/**
 * The greatest piece that passes in one turn, in bytes. Many that wait take turns, so an answer of a few
 * bytes does not wait for the whole of a long one.
 */
const maxPieceBytes = 65_536;
/** The least, unless a second brings fewer: a piece costs a frame and a turn. */
const minPieceBytes = 1_024;
/** Pieces are so large that about as many pass in a second, within these bounds. */
const piecesPerSecond = 50;

/**
 * Lets bytes pass at a rate, and those of one second at once. Who has to wait takes turns with the others
 * that wait.
 */
export class Pacer {
  readonly #rate: () => number | undefined;
  #bucket: Bucket | undefined;
  /** In the order of their turns. Only streams of tokens with a limit get here. */
  readonly #waiting = new Set<Paced>();
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;

  /** `rate`: bytes a second; `undefined` for no limit. It is asked each time, because it may change. */
  constructor(rate: () => number | undefined) {
    this.#rate = rate;
  }

  /** Nobody waits, and the bytes of a whole second may pass at once. */
  get isRested(): boolean {
    return this.#waiting.size === 0 && this.#bucket?.isFull !== false;
  }

  /** Whether `bytes` may pass at once. They count then. */
  take(bytes: number): boolean {
    return this.#waiting.size === 0 && this.#takeFrom(this.#current(), bytes);
  }

  /** Calls `proceed` when it is its turn, once. Returns whether nobody else waits. */
  wait(one: Paced): boolean {
    const isFirst = this.#waiting.size === 0;
    this.#waiting.add(one);
    this.#schedule();
    return isFirst;
  }

  leave(one: Paced): void {
    if (!this.#waiting.delete(one) || this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #current(): Bucket | undefined {
    const rate = this.#rate();
    if (rate === undefined) this.#bucket = undefined;
    else if (this.#bucket === undefined) this.#bucket = new Bucket(rate, 1_000);
    else if (this.#bucket.size !== rate) this.#bucket.resize(rate);
    return this.#bucket;
  }

  #takeFrom(bucket: Bucket | undefined, bytes: number): boolean {
    return bucket === undefined || bucket.take(bytes);
  }

  /** Wakes for the next turn. */
  #schedule(): void {
    const [next] = this.#waiting;
    if (next === undefined || this.#timer !== undefined || this.#isRunning) return;
    const bucket = this.#current();
    const waitMs = bucket === undefined ? 0 : bucket.msUntil(pieceOf(next, bucket));
    this.#timer = setTimeout(() => this.#run(), Math.ceil(waitMs));
  }

  #run(): void {
    this.#timer = undefined;
    this.#isRunning = true;
    // Whoever waits again comes after all others.
    for (const one of this.#waiting) {
      const bucket = this.#current();
      const bytes = pieceOf(one, bucket);
      if (!this.#takeFrom(bucket, bytes)) break;
      this.#waiting.delete(one);
      one.proceed(bytes);
    }
    this.#isRunning = false;
    this.#schedule();
  }
}

function pieceOf({ nextBytes }: Paced, bucket: Bucket | undefined): number {
  if (bucket === undefined) return nextBytes;
  const { size } = bucket;
  const most = Math.min(maxPieceBytes, Math.max(minPieceBytes, Math.floor(size / piecesPerSecond)), size);
  return Math.min(nextBytes, most);
}
