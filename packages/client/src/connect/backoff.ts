/**
 * The longest first wait, in milliseconds. It is short because the relay may be up, and only the link have
 * broken.
 */
const baseMs = 100;
/** The longest wait of all, in milliseconds. */
const capMs = 30_000;
/**
 * Beyond this, in milliseconds, a wait is no longer than the trouble has lasted so far. Otherwise small draws
 * in the beginning would let the bound run far ahead. If a relay was gone for 1 s, one client in twenty would
 * come back more than 2 s after the relay, and the last client 12 s after it (simulated).
 */
const aheadMs = 1_600;
/**
 * A connection that lasted this long, in milliseconds, proves that the relay accepts us. A shorter
 * connection counts as a failure.
 */
export const stableAfterMs = 10_000;
/**
 * A resumed connection that lasted this long, in milliseconds, proves that the relay is well and only the way
 * to it is not. A longer wait would spare the relay nothing, and open requests wait too.
 */
export const usefulAfterMs = 300;
/** Most attempts that still count after such a connection. So the bound then stays at 400 ms. */
const usefulAttempts = 2;

/**
 * Exponential backoff with full jitter: each wait is drawn evenly between nothing and a bound that doubles.
 * The jitter spreads the clients of a relay that restarts. Without it they would come back in waves.
 */
export class Backoff {
  #attempts = 0;
  /** When the first of these attempts was made. */
  #troubledSinceMs = 0;
  #online: { readonly sinceMs: number; readonly resumed: boolean } | undefined;
  readonly #random: () => number;
  readonly #now: () => number;

  constructor(random: () => number = Math.random, now: () => number = () => performance.now()) {
    this.#random = random;
    this.#now = now;
  }

  /** Attempts since the last stable connection. */
  get attempts(): number {
    return this.#attempts;
  }

  /** How long to wait before the next attempt, in milliseconds. */
  next(): number {
    if (this.#attempts === 0) this.#troubledSinceMs = this.#now();
    const lastedMs = this.#now() - this.#troubledSinceMs;
    const bound = Math.min(capMs, baseMs * 2 ** Math.min(this.#attempts, 30), Math.max(aheadMs, lastedMs));
    this.#attempts += 1;
    return Math.round(this.#random() * bound);
  }

  /** `resumed`: the relay knew the session, and goes on with it. */
  connected(resumed: boolean): void {
    this.#online = { sinceMs: this.#now(), resumed };
  }

  /** Starts over if the connection was stable. */
  disconnected(): void {
    if (this.#online === undefined) return;
    const { sinceMs, resumed } = this.#online;
    const lastedMs = this.#now() - sinceMs;
    this.#online = undefined;
    if (lastedMs >= stableAfterMs) this.#attempts = 0;
    else if (resumed && lastedMs >= usefulAfterMs) this.#attempts = Math.min(this.#attempts, usefulAttempts);
  }
}
