const dayMs = 86_400_000;

/**
 * The day that a token is good to the end of (in UTC), for a time that is the end of a day; else the time.
 * `2027-02-01T00:00:00Z` is the end of `2027-01-31`.
 */
export function writtenExpiry(expires: string): string {
  const at = expiryOf(expires);
  if (at === undefined || !expires.includes("T") || at % dayMs !== 0) return expires;
  return new Date(at - dayMs).toISOString().slice(0, 10);
}

/** When a token ends, in milliseconds since 1970. A date stands for its end in UTC. */
export function expiryOf(expires: string): number | undefined {
  const at = Date.parse(expires);
  if (Number.isNaN(at)) return undefined;
  return expires.includes("T") ? at : at + dayMs;
}
