import { ReplayProblem } from "./problem.js";

/** Replays that may be open together. */
const maxOpen = 8;
/** Replays that may begin within {@link spanMs}. */
const maxBegun = 20;
const spanMs = 60_000;

/**
 * How many replays there may be. A page that repeats itself must not wear out the service, and the replays
 * must not push all else out of the ring.
 */
export class Allowance {
  #open = 0;
  /** When the newest replays began, on the clock of `performance.now()`. */
  #begun: number[] = [];

  /** @throws ReplayProblem `too_many` */
  take(): void {
    if (this.#open >= maxOpen) {
      throw new ReplayProblem(429, "too_many", `${maxOpen} replays are open: wait, or cancel one of them`);
    }
    const now = performance.now();
    this.#begun = this.#begun.filter((begunAtMs) => now - begunAtMs < spanMs);
    const [oldest] = this.#begun;
    if (oldest !== undefined && this.#begun.length >= maxBegun) {
      const seconds = Math.ceil((oldest + spanMs - now) / 1_000);
      const message = `no more than ${maxBegun} replays in a minute: try again in ${seconds} s`;
      throw new ReplayProblem(429, "too_many", message);
    }
    this.#begun.push(now);
    this.#open += 1;
  }

  /** A replay is over. */
  give(): void {
    this.#open -= 1;
  }
}
