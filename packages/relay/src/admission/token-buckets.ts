import { LRUCache } from "lru-cache";
import { Bucket } from "./bucket.js";

/** How many keys are remembered. Beyond it the key not seen for longest is forgotten, and starts afresh. */
const maxKeys = 100_000;
const minuteMs = 60_000;

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
    return (this.#buckets.get(key)?.level ?? this.#perMinute) >= 1;
  }

  /** Takes a token; false when there is none. */
  take(key: string): boolean {
    const bucket = this.#buckets.get(key) ?? new Bucket(this.#perMinute, minuteMs);
    if (!bucket.take(1)) return false;
    this.#buckets.set(key, bucket);
    return true;
  }

  /** Gives a token back. */
  refund(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return;
    bucket.giveBack(1);
    this.#buckets.set(key, bucket);
  }
}
