import { expect, it } from "vitest";
import { meanOf } from "../src/stats.js";

it("gives the interval of a mean by Student's t distribution", () => {
  // For 19 degrees of freedom the quantile is 2.0930.
  const values = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 0.9 : 1.1));
  const { mean, low, high } = meanOf(values);
  const error = Math.sqrt((20 * 0.01) / 19 / 20);
  expect(mean).toBeCloseTo(1, 12);
  expect((high - mean) / error).toBeCloseTo(2.093, 3);
  expect(mean - low).toBeCloseTo(high - mean, 12);
});

it("gives no interval of one value", () => {
  expect(() => meanOf([1])).toThrow("no spread");
});
