import type { Link } from "../link.js";

/** Bytes handed to stream handlers and not consumed, over all streams, at which the link is paused by default. */
const defaultPauseBytes = 16 * 1024 * 1024;
/** How long the link may stay paused before whoever holds the most is cut, in milliseconds. */
const stallTimeoutMs = 10_000;

/** Why a stream was cut for the sake of others. */
export const stalledReader = `Unread data stopped the tunnel for ${stallTimeoutMs} ms, most of it on this stream`;

/**
 * The only brake that this wire has. It knows no credit, so one slow reader can be stopped only by stopping the
 * whole link; the bound is set high enough that this is rare and low enough that memory stays small. Readers that keep
 * everybody else waiting are cut, the one that holds the most first: two visitors who never read must not be
 * able to stop a tunnel.
 */
export class Intake {
  paused = false;
  #held = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #holders = new Set<StreamIntake>();
  readonly #link: Link;
  readonly #onChange: () => void;
  readonly #pauseBytes: number;

  /** `onChange` is called after each pause and resumption. */
  constructor(link: Link, onChange: () => void, pauseBytes = defaultPauseBytes) {
    this.#pauseBytes = pauseBytes;
    this.#link = link;
    this.#onChange = onChange;
  }

  add(stream: StreamIntake, bytes: number): void {
    this.#holders.add(stream);
    this.#held += bytes;
    if (this.paused || this.#held <= this.#pauseBytes) return;
    this.paused = true;
    this.#link.pause();
    this.#watch();
    this.#onChange();
  }

  remove(stream: StreamIntake, bytes: number): void {
    if (stream.held === 0) this.#holders.delete(stream);
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
    this.#timer = setTimeout(() => this.#cutFattest(), stallTimeoutMs);
    this.#timer.unref();
  }

  #cutFattest(): void {
    this.#watch();
    let fattest: StreamIntake | undefined;
    for (const stream of this.#holders) {
      if (fattest === undefined || stream.held > fattest.held) fattest = stream;
    }
    fattest?.stalled();
  }
}

/** One stream's part of an {@link Intake}: it never gives back more than it took. */
export class StreamIntake {
  held = 0;
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
