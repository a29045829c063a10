import type { Link } from "../link.js";

/** Bytes that a session holds at one time, over all streams, unless it is told otherwise. */
export const defaultMaxQueuedBytes = 64 * 1024 * 1024;
/** What of `maxQueuedBytes` may be handed to stream handlers and not consumed before the link is paused. */
export const queuedShare = 0.25;
/** How long the link may stay paused before whoever holds the most is cut, in milliseconds. */
const stallTimeoutMs = 10_000;

/** Why a stream was cut for the sake of others. */
export const stalledReader = "Too much of what the tunnel brought is not read, most of it on this stream";

/**
 * The only brake that this wire has. It knows no credit, so one slow reader can be stopped only by stopping the
 * whole link; the bound is set high enough that this is rare and low enough that memory stays small. Readers that keep
 * everybody else waiting are cut, the one that holds the most first: two visitors who never read must not be
 * able to stop a tunnel.
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

  /** The stream brings no more: what it holds is no reason to stop the link any longer, which would make none of it less. */
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

  /** Of the streams that have brought their last, or of the others. */
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
  /** It brings no more than it has brought. */
  isLast = false;
  /** Called when the stream has to go so that others can go on. */
  onStalled: () => void = () => {};
  readonly #intake: Intake;

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  received(bytes: number): void {
    this.held += bytes;
    this.#intake.add(this, bytes);
  }

  /** What comes with the next call of `received`, or has come, is the last. */
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

  /** Nobody will consume the rest. */
  release(): void {
    this.consumed(this.held);
  }

  stalled(): void {
    this.onStalled();
    this.release();
  }
}
