import type { Link } from "../link.js";

/** Bytes handed to stream handlers and not consumed, over all streams, at which the link is paused. */
const pauseBytes = 16 * 1024 * 1024;

/**
 * The only brake that this wire has. It knows no credit, so one slow reader can be stopped only by stopping the
 * whole link; the bound is set high enough that this is rare and low enough that memory stays small.
 */
export class Intake {
  paused = false;
  #held = 0;
  readonly #link: Link;
  readonly #onChange: () => void;

  /** `onChange` is called after each pause and resumption. */
  constructor(link: Link, onChange: () => void) {
    this.#link = link;
    this.#onChange = onChange;
  }

  add(bytes: number): void {
    this.#held += bytes;
    if (this.paused || this.#held <= pauseBytes) return;
    this.paused = true;
    this.#link.pause();
    this.#onChange();
  }

  remove(bytes: number): void {
    this.#held -= bytes;
    if (!this.paused || this.#held >= pauseBytes / 2) return;
    this.paused = false;
    this.#link.resume();
    this.#onChange();
  }
}

/** One stream's part of an {@link Intake}: it never gives back more than it took. */
export class StreamIntake {
  #held = 0;
  readonly #intake: Intake;

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  received(bytes: number): void {
    this.#held += bytes;
    this.#intake.add(bytes);
  }

  consumed(bytes: number): void {
    const given = Math.min(bytes, this.#held);
    this.#held -= given;
    this.#intake.remove(given);
  }

  /** Nobody will consume the rest. */
  release(): void {
    this.consumed(this.#held);
  }
}
