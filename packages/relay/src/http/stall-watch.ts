/**
 * Finds a visitor, or a tunnel, that takes nothing of the data that waits for it. The watch costs nothing
 * while everything is taken: it looks twice in `timeoutMs`, and only once something has had to wait.
 */
export class StallWatch {
  #waiting = false;
  #seen: number | undefined;
  #unchanged = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #timeoutMs: number;
  readonly #progress: () => number | undefined;
  readonly #onStall: () => void;

  /**
   * `progress` gives a number that changes when something was taken, or `undefined` when nothing waits any
   * more. `onStall` is called once, when the number has not changed for `timeoutMs`, or for half as long
   * again at most.
   */
  constructor(timeoutMs: number, progress: () => number | undefined, onStall: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#progress = progress;
    this.#onStall = onStall;
  }

  /** Something waits. */
  waits(): void {
    this.#waiting = true;
    this.#timer ??= setTimeout(this.#look, this.#timeoutMs / 2);
  }

  /** All has been taken. */
  flushed(): void {
    this.#waiting = false;
    this.#seen = undefined;
  }

  /** Looks no more, until something waits again. */
  stop(): void {
    this.flushed();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    if (!this.#waiting) return;
    const progress = this.#progress();
    if (progress === undefined) {
      this.flushed();
      return;
    }
    this.#unchanged = progress === this.#seen ? this.#unchanged + 1 : 0;
    this.#seen = progress;
    if (this.#unchanged === 2) this.#onStall();
    else this.waits();
  };
}
