/** Latencies in microseconds, in rising order, and how often each was counted. */
export interface Histogram {
  readonly values: readonly (readonly [valueUs: number, count: number])[];
  /** Whether all of them are here. */
  readonly whole: boolean;
}

/**
 * The quantile of the latencies as they were measured, from wrk's histogram, which is corrected for
 * coordinated omission. For a latency of n * interval, wrk adds the requests that a load at a fixed rate
 * would have sent meanwhile: latencies of (n - 1) * interval, (n - 2) * interval, and so on, while they are
 * larger than the interval (`stats_correct` in its stats.c). So of all corrected values above x, those up to
 * x + interval are as many as the measured values above x.
 *
 * @param histogram The corrected values. If it is not `whole`, the largest are missing.
 * @param measured How many values were measured.
 * @returns undefined if the missing values would tell.
 */
export function uncorrectedQuantile(
  { values, whole }: Histogram,
  intervalUs: number,
  measured: number,
  q: number,
): number | undefined {
  const allowedAbove = measured * (1 - q);
  /** How many corrected values are at most as large as the one looked at, and as that plus the interval. */
  let upToValue = 0;
  let upToReach = 0;
  let reached = 0;
  for (const [valueUs, count] of values) {
    upToValue += count;
    let next = values[reached];
    while (next !== undefined && next[0] <= valueUs + intervalUs) {
      upToReach += next[1];
      next = values[++reached];
    }
    // Values up to the interval are all measured ones.
    if (valueUs > intervalUs && next === undefined && !whole) return undefined;
    const above = valueUs > intervalUs ? upToReach - upToValue : measured - upToValue;
    if (above <= allowedAbove) return valueUs;
  }
  return undefined;
}
