import { describe, expect, it } from "vitest";
import { FlightLimit } from "../src/v1/flight-limit.js";

const megabyte = 1_000_000;

/** Fills a link with a bandwidth and a delay up to the limit for `forMs`. Returns the limit at the end. */
function saturate(limit: FlightLimit, bytesPerMs: number, rttMs: number, forMs: number): number {
  for (let now = 0; now < forMs; now += 5) {
    limit.hit();
    // Each round trip carries one limit's worth, or as much as the link can.
    const rate = Math.min(bytesPerMs, limit.bytes / rttMs);
    limit.acknowledged(rate * 5, now, rttMs);
  }
  return limit.bytes;
}

describe("the limit of what is on its way", () => {
  it("grows until a link with a long delay is full, to twice what it holds", () => {
    const limit = new FlightLimit();
    const first = limit.bytes;
    expect(first).toBeLessThan(2 * megabyte);
    const bytes = saturate(limit, 100 * 1_000, 100, 3_000);
    expect(bytes).toBeGreaterThan(2 * 10 * megabyte);
    expect(bytes).toBeLessThan(2.2 * 10 * megabyte);
  });

  it("shrinks to what a slow link delivers while a small response would wait for more", () => {
    const bytes = saturate(new FlightLimit(), 2 * 1_000, 30, 3_000);
    // An eighth of a second at 2 MB/s.
    expect(bytes).toBe(262_144);
  });

  it("gives a fast link with no delay to speak of two milliseconds of what it carries", () => {
    const bytes = saturate(new FlightLimit(), 500 * 1_000, 0.2, 1_000);
    expect(bytes).toBeGreaterThan(megabyte);
    expect(bytes).toBeLessThan(1.5 * megabyte);
  });

  it("stays as it is when the sender has no more to send, or nothing is known of the delay", () => {
    const limit = new FlightLimit();
    const first = limit.bytes;
    for (let now = 0; now < 1_000; now += 5) limit.acknowledged(100, now, 20);
    expect(limit.bytes).toBe(first);
    for (let now = 1_000; now < 2_000; now += 5) {
      limit.hit();
      limit.acknowledged(10 * megabyte, now, undefined);
    }
    expect(limit.bytes).toBe(first);
  });

  it("starts over on another link", () => {
    const limit = new FlightLimit();
    const first = limit.bytes;
    saturate(limit, 100 * 1_000, 100, 3_000);
    limit.restart();
    expect(limit.bytes).toBe(first);
  });
});
