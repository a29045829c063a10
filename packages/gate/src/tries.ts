import { LRUCache } from "lru-cache";
import { crowdOf } from "./crowd.js";

/**
 * How many addresses are remembered. Of more, the one that has not tried for longest is forgotten. An
 * attacker gains nothing by it: with that many addresses he has as many tries anyway.
 */
const maxAddresses = 10_000;
const minuteMs = 60_000;

/**
 * How often each visitor's address may try a secret that people could guess. Addresses of an IPv6 /64 count
 * as one. There is no limit for all visitors together: with it, a stranger who guesses wrong would lock
 * everybody out.
 *
 * An address may fail `perMinute` times at once, and then as often as these are earned back over a minute.
 */
export class Tries {
  readonly #perMinute: number;
  /**
   * When each address will have earned back all of its tries, in milliseconds of `performance.now`. The
   * generic cell rate algorithm needs no other number.
   */
  readonly #earnedBackAtMs = new LRUCache<string, number>({
    // With `max` the cache would take the memory of all entries at once. Few gates see any.
    maxSize: maxAddresses,
    sizeCalculation: () => 1,
  });

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /**
   * How long the address has to wait before it may try again, in whole seconds; 0 if it may try now. An
   * address that nobody has told has no limit.
   */
  waitSeconds(address: string | undefined): number {
    const key = crowdOf(address);
    if (key === undefined) return 0;
    const owedMs = (this.#earnedBackAtMs.get(key) ?? 0) - performance.now();
    const allowedMs = minuteMs - minuteMs / this.#perMinute;
    return Math.max(0, Math.ceil((owedMs - allowedMs) / 1_000));
  }

  /** The address has tried, and was wrong. */
  failed(address: string | undefined): void {
    const key = crowdOf(address);
    if (key === undefined) return;
    const now = performance.now();
    const fromMs = Math.max(now, this.#earnedBackAtMs.get(key) ?? 0);
    this.#earnedBackAtMs.set(key, fromMs + minuteMs / this.#perMinute);
  }
}
