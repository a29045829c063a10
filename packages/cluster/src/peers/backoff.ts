/** The longest first wait, in milliseconds: the link may have broken, and the relay be well. */
const baseMs = 50;
/** The longest wait of all, in milliseconds: a relay that comes back is wanted at once. */
const capMs = 2_000;
/** A link that lasted this long, in milliseconds, proves that the other relay takes it. */
const stableAfterMs = 1_000;

/**
 * Waits between the attempts to reach a relay: drawn evenly between nothing and a bound that doubles, so that
 * the relays do not come back to a restarted one in waves.
 */
export class Backoff {
  #attempts = 0;
  #connectedAtMs: number | undefined;

  /** How long to wait before the next attempt, in milliseconds. */
  next(): number {
    const connectedAtMs = this.#connectedAtMs;
    this.#connectedAtMs = undefined;
    if (connectedAtMs !== undefined && performance.now() - connectedAtMs >= stableAfterMs) this.#attempts = 0;
    const bound = Math.min(capMs, baseMs * 2 ** Math.min(this.#attempts, 10));
    this.#attempts += 1;
    return Math.random() * bound;
  }

  connected(): void {
    this.#connectedAtMs = performance.now();
  }
}
