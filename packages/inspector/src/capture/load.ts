import { capturedPerSecond } from "../limits.js";

/** How much may be captured now, and what was missed because it would have been more. */
export class Load {
  readonly #onMissed: () => void;
  readonly #exchanges = new Allowance(capturedPerSecond.exchanges);
  readonly #bytes = new Allowance(capturedPerSecond.bytes);
  readonly missed = { exchanges: 0, bodies: 0 };

  constructor(onMissed: () => void) {
    this.#onMissed = onMissed;
  }

  /** Whether one more exchange may be captured. If not, it counts as missed. */
  takeExchange(): boolean {
    if (this.#exchanges.take(1)) return true;
    this.missed.exchanges += 1;
    this.#onMissed();
    return false;
  }

  /** Whether so many bytes may be copied or read. */
  takeBytes(bytes: number): boolean {
    return this.#bytes.take(bytes);
  }

  missedBody(): void {
    this.missed.bodies += 1;
    this.#onMissed();
  }
}

/** A bucket of tokens. The clock is read only when they are used up. */
export class Allowance {
  readonly #perMs: number;
  readonly #burst: number;
  #left: number;
  #filledAtMs = performance.now();

  constructor({ sustained, burst }: { sustained: number; burst: number }) {
    this.#perMs = sustained / 1_000;
    this.#burst = burst;
    this.#left = burst;
  }

  take(amount: number): boolean {
    if (this.#left < amount) this.#fill();
    if (this.#left < amount) return false;
    this.#left -= amount;
    return true;
  }

  #fill(): void {
    const nowMs = performance.now();
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#filledAtMs) * this.#perMs);
    this.#filledAtMs = nowMs;
  }
}
