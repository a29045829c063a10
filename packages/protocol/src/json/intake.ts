import type { Link } from "../link.js";

/** Bytes that a session holds at one time, over all streams, by default. */
export const defaultMaxQueuedBytes = 64 * 1024 * 1024;
/** Share of `maxQueuedBytes` that stream handlers may hold unconsumed before the link is paused. */
export const queuedShare = 0.25;
/** How long the link may stay paused before the stream that holds the most is cut, in milliseconds. */
const stallTimeoutMs = 10_000;

/** The reason of a stream that was cut so that others can go on. */
export const stalledReader = "Too many bytes from the tunnel are not read, most of them on this stream";

/**
 * The only brake of the JSON wire. The wire knows no credit, so one slow reader can be stopped only by
 * stopping the whole link. The bound is set high enough that this is rare and low enough that memory stays
 * small. Streams that keep all others waiting are cut, the one that holds the most first: two visitors who
 * never read must not be able to stop a tunnel.
 */
export class Intake {
  paused = false;
  #held = 0;
  #lingering = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #holders = new Set<StreamIntake>();
  readonly #link: Link;
  readonly #onChange: () => void;
  readonly #pauseBytes: number;
  readonly #maxLingering: number;

  /** `onChange` is called after each pause and resumption. `maxQueuedBytes`: as in the sessions' options. */
  constructor(link: Link, onChange: () => void, maxQueuedBytes: number) {
    this.#pauseBytes = maxQueuedBytes * queuedShare;
    this.#maxLingering = maxQueuedBytes;
    this.#link = link;
    this.#onChange = onChange;
  }

  add(stream: StreamIntake, bytes: number): void {
    this.#holders.add(stream);
    if (stream.isLast) {
      this.#linger(bytes);
      return;
    }
    this.#held += bytes;
    if (this.paused || this.#held <= this.#pauseBytes) return;
    this.paused = true;
    this.#link.pause();
    this.#watch();
    this.#onChange();
  }

  remove(stream: StreamIntake, bytes: number): void {
    if (stream.held === 0) this.#holders.delete(stream);
    if (stream.isLast) this.#lingering -= bytes;
    else this.#release(bytes);
  }

  /**
   * No more bytes come for this stream. To stop the link would not make the bytes that it holds fewer, so
   * they no longer count towards a pause.
   */
  last(stream: StreamIntake): void {
    this.#release(stream.held);
    this.#linger(stream.held);
  }

  #linger(bytes: number): void {
    this.#lingering += bytes;
    while (this.#lingering > this.#maxLingering && this.#cutFattest(true));
  }

  #release(bytes: number): void {
    this.#held -= bytes;
    if (!this.paused || this.#held >= this.#pauseBytes / 2) return;
    this.paused = false;
    clearTimeout(this.#timer);
    this.#link.resume();
    this.#onChange();
  }

  /** The session is over. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #watch(): void {
    this.#timer = setTimeout(() => {
      this.#watch();
      this.#cutFattest(false);
    }, stallTimeoutMs);
    this.#timer.unref();
  }

  /**
   * Cuts the stream that holds the most, of those that get no more bytes (`last`) or of the others. Returns
   * false if there is none.
   */
  #cutFattest(last: boolean): boolean {
    let fattest: StreamIntake | undefined;
    for (const stream of this.#holders) {
      if (stream.isLast !== last) continue;
      if (fattest === undefined || stream.held > fattest.held) fattest = stream;
    }
    fattest?.stalled();
    return fattest !== undefined;
  }
}

/** One stream's part of an {@link Intake}: it never gives back more than it took. */
export class StreamIntake {
  held = 0;
  /** No more bytes come for this stream. */
  isLast = false;
  /** Called when the stream is cut so that others can go on. */
  onStalled: () => void = () => {};
  readonly #intake: Intake;

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  received(bytes: number): void {
    this.held += bytes;
    this.#intake.add(this, bytes);
  }

  /** The bytes of the next call of `received`, or those that have come already, are the last. */
  last(): void {
    if (this.isLast) return;
    this.isLast = true;
    this.#intake.last(this);
  }

  consumed(bytes: number): void {
    const given = Math.min(bytes, this.held);
    this.held -= given;
    this.#intake.remove(this, given);
  }

  /** Gives back the rest, which no reader will consume. */
  release(): void {
    this.consumed(this.held);
  }

  stalled(): void {
    this.onStalled();
    this.release();
  }
}
