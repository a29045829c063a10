interface Kept<V> {
  readonly value: V;
  readonly until: number;
}

/** Values that are forgotten some time after they were written. The clock is `Date.now`. */
export class Expiring<V> {
  readonly #kept = new Map<string, Kept<V>>();

  get(key: string): V | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && kept.until > Date.now() ? kept.value : undefined;
  }

  /** Keeps `value` for `ms` milliseconds from now, in the place of an older one. */
  set(key: string, value: V, ms: number): void {
    const now = Date.now();
    // Mostly all values of a map are kept for the same time, and then the oldest are the first to go.
    for (const [old, { until }] of this.#kept) {
      if (until > now) break;
      this.#kept.delete(old);
    }
    this.#kept.delete(key);
    this.#kept.set(key, { value, until: now + ms });
  }
}
