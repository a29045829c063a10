/** Fills steadily, so that it is full after one period, and can be emptied at once. */
export class Bucket {
  #size: number;
  readonly #periodMs: number;
  #level: number;
  #filledAt = performance.now();

  /** `size`: how much it holds, and gets in `periodMs`. It is full at first. */
  constructor(size: number, periodMs: number) {
    this.#size = size;
    this.#periodMs = periodMs;
    this.#level = size;
  }

  get size(): number {
    return this.#size;
  }

  /** How much is in it now. */
  get level(): number {
    const now = performance.now();
    const earned = ((now - this.#filledAt) / this.#periodMs) * this.#size;
    this.#level = Math.min(this.#size, this.#level + earned);
    this.#filledAt = now;
    return this.#level;
  }

  get isFull(): boolean {
    return this.level >= this.#size;
  }

  /** Takes `amount` out of it; false when there is not so much in it. */
  take(amount: number): boolean {
    if (this.level < amount) return false;
    this.#level -= amount;
    return true;
  }

  /** Gives `amount` back, as far as there is room. */
  giveBack(amount: number): void {
    this.#level = Math.min(this.#size, this.level + amount);
  }

  /** What it holds, and gets in each period from now on, changes to `size`. */
  resize(size: number): void {
    this.#level = Math.min(size, this.level);
    this.#size = size;
  }

  /** The time until `amount` is in it, in milliseconds. It may never be more than its size. */
  msUntil(amount: number): number {
    return Math.max(0, ((amount - this.level) / this.#size) * this.#periodMs);
  }
}
