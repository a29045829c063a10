import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TokenBuckets } from "../src/admission/token-buckets.js";

describe("TokenBuckets", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("gives so many at once, and as many a minute", () => {
    const buckets = new TokenBuckets(3);
    expect([1, 2, 3, 4].map(() => buckets.take("a"))).toEqual([true, true, true, false]);
    expect(buckets.take("b")).toBe(true);
    vi.advanceTimersByTime(20_000);
    expect([buckets.take("a"), buckets.take("a")]).toEqual([true, false]);
    expect(buckets.size).toBe(2);
  });

  it("gives one back", () => {
    const buckets = new TokenBuckets(1);
    buckets.take("a");
    expect(buckets.has("a")).toBe(false);
    buckets.refund("a");
    expect(buckets.has("a")).toBe(true);
  });

  it("remembers 100,000, and of more forgets who has not come for longest", () => {
    const buckets = new TokenBuckets(1);
    for (let i = 0; i < 100_000; i++) buckets.take(String(i));
    expect(buckets.take("0")).toBe(false);
    buckets.take("another");
    expect(buckets.size).toBe(100_000);
    expect(buckets.has("0")).toBe(false);
    expect(buckets.has("1")).toBe(true);
  });
});
