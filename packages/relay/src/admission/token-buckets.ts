import { LRUCache } from "lru-cache";

/** How many addresses are remembered; of more, those not seen for longest are forgotten, and start afresh. */
const maxKeys = 100_000;
const minuteMs = 60_000;

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** So many per minute for each key, and as many at once. */
export class TokenBuckets {
  readonly #perMinute: number;
  /** A bucket that is not here is full, as one is that has not been touched for a minute. */
  readonly #buckets = new LRUCache<string, Bucket>({
    // Not `max`, for which it would take the memory of all entries at once, 4 MB: few relays ever see so many.
    maxSize: maxKeys,
    sizeCalculation: () => 1,
    ttl: minuteMs,
  });

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Keys of which less than all is left. */
  get size(): number {
    this.#buckets.purgeStale();
    return this.#buckets.size;
  }

  /** Whether one is left. */
  has(key: string): boolean {
    return this.#level(key) >= 1;
  }

  /** Takes one; false when there is none. */
  take(key: string): boolean {
    const level = this.#level(key);
    if (level < 1) return false;
    this.#buckets.set(key, { tokens: level - 1, filledAt: performance.now() });
    return true;
  }

  /** Gives one back. */
  refund(key: string): void {
    this.#buckets.set(key, { tokens: this.#level(key) + 1, filledAt: performance.now() });
  }

  #level(key: string): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return this.#perMinute;
    const earned = ((performance.now() - bucket.filledAt) / minuteMs) * this.#perMinute;
    return Math.min(this.#perMinute, bucket.tokens + earned);
  }
}
