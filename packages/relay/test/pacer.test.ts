import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Bucket } from "../src/admission/bucket.js";
import { type Paced, Pacer } from "../src/admission/pacer.js";
import { TokenMeters } from "../src/admission/token-meters.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("Bucket", () => {
  it("is full at first, and again after one period", () => {
    const bucket = new Bucket(10, 1_000);
    expect([bucket.take(7), bucket.take(4), bucket.take(3)]).toEqual([true, false, true]);
    expect(bucket.msUntil(5)).toBe(500);
    vi.advanceTimersByTime(500);
    expect(bucket.level).toBe(5);
    expect(bucket.isFull).toBe(false);
    vi.advanceTimersByTime(5_000);
    expect([bucket.level, bucket.isFull, bucket.msUntil(1)]).toEqual([10, true, 0]);
  });

  it("has no more than its size when that changes, or when something is given back", () => {
    const bucket = new Bucket(10, 1_000);
    bucket.resize(4);
    expect(bucket.level).toBe(4);
    bucket.resize(20);
    expect(bucket.level).toBe(4);
    vi.advanceTimersByTime(100);
    expect(bucket.level).toBe(6);
    bucket.giveBack(100);
    expect(bucket.level).toBe(20);
  });
});

/** Has so many bytes to pass on, and notes them with its name. */
class Waiting implements Paced {
  readonly #name: string;
  readonly #pacer: Pacer;
  readonly #passed: [string, number][];
  #left: number;

  constructor(name: string, pacer: Pacer, bytes: number, passed: [string, number][]) {
    this.#name = name;
    this.#pacer = pacer;
    this.#left = bytes;
    this.#passed = passed;
  }

  get nextBytes(): number {
    return this.#left;
  }

  proceed(bytes: number): void {
    this.#left -= bytes;
    this.#passed.push([this.#name, bytes]);
    if (this.#left > 0) this.#pacer.wait(this);
  }
}

describe("Pacer", () => {
  const bytesOf = (passed: readonly [string, number][], name: string): number =>
    passed.reduce((sum, [one, bytes]) => (one === name ? sum + bytes : sum), 0);

  it("lets the bytes of a second pass at once, and others at their rate, in turns", () => {
    const pacer = new Pacer(() => 100_000);
    const passed: [string, number][] = [];
    expect(pacer.take(100_000)).toBe(true);
    expect(pacer.take(1)).toBe(false);
    expect(pacer.wait(new Waiting("a", pacer, 100_000, passed))).toBe(true);
    expect(pacer.wait(new Waiting("b", pacer, 100_000, passed))).toBe(false);
    for (let ms = 0; ms < 2_000; ms += 10) {
      vi.advanceTimersByTime(10);
      const all = bytesOf(passed, "a") + bytesOf(passed, "b");
      expect(all).toBeLessThanOrEqual((ms + 10) * 100);
      expect(all).toBeGreaterThanOrEqual((ms + 10) * 100 - 2_100);
      expect(Math.abs(bytesOf(passed, "a") - bytesOf(passed, "b"))).toBeLessThanOrEqual(2_000);
    }
    expect(bytesOf(passed, "a") + bytesOf(passed, "b")).toBe(200_000);
    expect(pacer.isRested).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(pacer.isRested).toBe(true);
  });

  it("lets nobody past those who wait", () => {
    const pacer = new Pacer(() => 1_000);
    const passed: [string, number][] = [];
    pacer.take(1_000);
    pacer.wait(new Waiting("a", pacer, 900, passed));
    vi.advanceTimersByTime(500);
    expect(pacer.take(1)).toBe(false);
    vi.advanceTimersByTime(400);
    expect(passed).toEqual([["a", 900]]);
    expect(pacer.take(1)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(pacer.take(1)).toBe(true);
  });

  it("passes on what waits of a rate below the least piece, and forgets who leaves", () => {
    const pacer = new Pacer(() => 10);
    const passed: [string, number][] = [];
    pacer.take(10);
    const [a, b] = [new Waiting("a", pacer, 25, passed), new Waiting("b", pacer, 5, passed)];
    pacer.wait(a);
    pacer.wait(b);
    vi.advanceTimersByTime(1_000);
    expect(passed).toEqual([["a", 10]]);
    vi.advanceTimersByTime(500);
    expect(passed.at(-1)).toEqual(["b", 5]);
    pacer.leave(b);
    pacer.leave(a);
    vi.advanceTimersByTime(5_000);
    expect(passed).toHaveLength(2);
  });

  it("follows a rate that changes, and lets everything pass without one", () => {
    let rate: number | undefined = 1_000;
    const pacer = new Pacer(() => rate);
    const passed: [string, number][] = [];
    pacer.take(1_000);
    pacer.wait(new Waiting("a", pacer, 5_000, passed));
    vi.advanceTimersByTime(1_000);
    expect(bytesOf(passed, "a")).toBe(1_000);
    rate = undefined;
    vi.advanceTimersByTime(1_000);
    expect(bytesOf(passed, "a")).toBe(5_000);
    expect(pacer.take(1e9)).toBe(true);
  });
});

describe("TokenMeters", () => {
  const defaults = { maxTokenRequestsPerSecond: 0, maxTokenBytesPerSecond: 0 };
  const grant = (id: string, maxRequestsPerSecond?: number) => ({
    owner: "",
    grant: { id, maxRequestsPerSecond },
  });

  it("has one meter for the tunnels of a token, and forgets it when it would let pass no more than a new one", () => {
    const meters = new TokenMeters(defaults);
    const [one, two] = [grant("a", 1), grant("a", 1)];
    const meter = meters.enter(one);
    expect(meters.enter(two)).toBe(meter);
    expect(meters.enter(grant("b"))).not.toBe(meter);
    expect([meter.takeRequest(), meter.takeRequest()]).toEqual([true, false]);
    meters.leave(one);
    meters.leave(two);
    expect(meters.enter(one)).toBe(meter);
    meters.leave(one);
    expect(meters.size).toBe(2);
    vi.advanceTimersByTime(1_000);
    expect(meters.size).toBe(1);
  });

  it("takes a limit that is none for the least one, and Infinity for none", () => {
    const meters = new TokenMeters({ maxTokenRequestsPerSecond: 2, maxTokenBytesPerSecond: 2 });
    const meter = meters.enter(grant("a"));
    const rates = [undefined, 0, -1, Number.NaN, 0.5, 7.9, Infinity].map((rate) => {
      meter.rates = { maxRequestsPerSecond: rate, maxBytesPerSecond: rate };
      return [meter.maxRequestsPerSecond, meter.maxBytesPerSecond];
    });
    expect(rates).toEqual([2, 1, 1, 1, 1, 7, undefined].map((rate) => [rate, rate]));
  });

  it("tells tokens without a grant by their secrets, and has the relay's limits for them", () => {
    const meters = new TokenMeters({ ...defaults, maxTokenRequestsPerSecond: 3 });
    const meter = meters.enter({ owner: "x", grant: undefined });
    expect(meters.enter({ owner: "x", grant: undefined })).toBe(meter);
    expect(meters.enter({ owner: "y", grant: undefined })).not.toBe(meter);
    expect([1, 2, 3, 4].map(() => meter.takeRequest())).toEqual([true, true, true, false]);
    expect(meter.maxBytesPerSecond).toBeUndefined();
  });
});
