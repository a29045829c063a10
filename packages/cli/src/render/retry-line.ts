import type { Screen } from "../output/output.js";

/** Waits that are shorter are over before they are read, in milliseconds. */
const leastShownMs = 500;

/** The line at a terminal that says when the next attempt to reach the relay is made. */
export class RetryLine {
  readonly #screen: Screen;
  #timer: NodeJS.Timeout | undefined;
  #isShown = false;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** An attempt follows after `delayMs`. */
  waiting(attempt: number, delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#isShown || delayMs >= leastShownMs) this.#draw(attempt, performance.now() + delayMs);
  }

  /** There is nothing to wait for any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isShown = false;
    this.#screen.keep(this, undefined);
  }

  #draw(attempt: number, atMs: number): void {
    this.#isShown = true;
    const leftMs = atMs - performance.now();
    if (leftMs <= 0) {
      this.#screen.keep(this, `Trying to reach the relay, attempt ${attempt} ...`);
      return;
    }
    this.#screen.keep(this, `Trying again in ${Math.ceil(leftMs / 1_000)} s, attempt ${attempt}`);
    // At the end of the second that is shown.
    this.#timer = setTimeout(() => this.#draw(attempt, atMs), leftMs % 1_000 || 1_000);
    this.#timer.unref();
  }
}
