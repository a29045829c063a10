import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Histogram, uncorrectedQuantile } from "../src/load/histogram.js";

/** What wrk's `stats_correct` makes of measured latencies. */
function corrected(measured: readonly number[], intervalUs: number): Histogram {
  const counts = new Map<number, number>();
  const count = (valueUs: number): void => void counts.set(valueUs, (counts.get(valueUs) ?? 0) + 1);
  for (const valueUs of measured) {
    count(valueUs);
    for (let m = valueUs - intervalUs; m > intervalUs; m -= intervalUs) count(m);
  }
  return { values: [...counts].toSorted(([a], [b]) => a - b), whole: true };
}

/** The smallest value that all but `1 - q` of the values do not exceed. */
function quantileOf(measured: readonly number[], q: number): number | undefined {
  const sorted = measured.toSorted((a, b) => a - b);
  return sorted.find((value) => sorted.filter((other) => other > value).length <= measured.length * (1 - q));
}

describe("wrk's histogram", () => {
  it("tells the latencies that were measured, whatever wrk has added", () => {
    const latencies = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(latencies, fc.integer({ min: 1, max: 150 }), (measured, intervalUs) => {
        for (const q of [0.1, 0.5, 0.9, 0.99, 1]) {
          const histogram = corrected(measured, intervalUs);
          const quantile = uncorrectedQuantile(histogram, intervalUs, measured.length, q);
          expect(quantile).toBe(quantileOf(measured, q));
        }
      }),
    );
  });

  it("has one stall count as one request, and not as all that it kept from being sent", () => {
    const measured = [...Array.from({ length: 199 }, () => 100), 10_000];
    const { values } = corrected(measured, 100);
    expect(values.reduce((sum, [, count]) => sum + count, 0)).toBe(200 + 98);
    expect(uncorrectedQuantile({ values, whole: true }, 100, 200, 0.99)).toBe(100);
  });

  it("tells nothing that the missing end of it would change", () => {
    const { values } = corrected([100, 100, 100, 950], 200);
    const part = { values: values.slice(0, -1), whole: false };
    expect(uncorrectedQuantile(part, 200, 4, 0.75)).toBe(100);
    expect(uncorrectedQuantile(part, 200, 4, 0.99)).toBeUndefined();
  });
});
