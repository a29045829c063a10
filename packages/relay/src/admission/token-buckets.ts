import { LRUCache } from "lru-cache";

/** How many keys are remembered. Beyond it the key not seen for longest is forgotten, and starts afresh. */
const maxKeys = 100_000;
const minuteMs = 60_000;

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** Gives each key so many tokens per minute, and as many at once. */
export class TokenBuckets {
  readonly #perMinute: number;
  /** The buckets that are not full. A bucket is full again when it has not been touched for a minute. */
  readonly #buckets = new LRUCache<string, Bucket>({
    // With `max` the cache would take the memory of all entries at once, 4 MB. Few relays ever see so many.
    maxSize: maxKeys,
    sizeCalculation: () => 1,
    ttl: minuteMs,
  });

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** The number of keys whose bucket is not full. */
  get size(): number {
    this.#buckets.purgeStale();
    return this.#buckets.size;
  }

  /** Whether a token is left. */
  has(key: string): boolean {
    return this.#level(key) >= 1;
  }

  /** Takes a token; false when there is none. */
  take(key: string): boolean {
    const level = this.#level(key);
    if (level < 1) return false;
    this.#buckets.set(key, { tokens: level - 1, filledAt: performance.now() });
    return true;
  }

  /** Gives a token back. */
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
