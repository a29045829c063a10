/** The median of several measurements and their spread. */
export interface Summary {
  readonly median: number;
  /**
   * Half the distance between the first and the third quartile: half of all rounds lie this close to the
   * middle.
   */
  readonly spread: number;
}

/** @throws RangeError if there are no values. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError("nothing was measured");
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2 };
}

/** A quantile of values in rising order, with linear interpolation. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] as number;
  const high = sorted[Math.ceil(at)] as number;
  return low + (high - low) * (at - Math.floor(at));
}

/** The median of values in any order. */
export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** The mean of several measurements, and the interval in which the true mean lies with 95% certainty. */
export interface Mean {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** @throws RangeError if there are fewer than two values. */
export function meanOf(values: readonly number[]): Mean {
  const n = values.length;
  if (n < 2) throw new RangeError("one value has no spread");
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const reach = studentQuantile(n - 1) * Math.sqrt(variance / n);
  return { mean, low: mean - reach, high: mean + reach };
}

/**
 * The 97.5% quantile of Student's t distribution, from that of the normal distribution (Abramowitz and Stegun
 * 26.7.5). It is right to 1% from 4 degrees of freedom on.
 */
function studentQuantile(degrees: number): number {
  const z = 1.959_964;
  return z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}
