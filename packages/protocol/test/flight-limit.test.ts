import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
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

describe("the limit on a link with a long round trip", () => {
  const rttMs = 200;
  const ackBytes = 131_072;
  /** DATA of one first window. */
  const flightBytes = 1_048_576;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /**
   * Sends a first window at once, and acknowledges it as a link of `bytesPerMs` delivers it. `heldMs`: the
   * acknowledgements wait for so long on their way, and then come together. `pingMs`: what a ping took.
   */
  function fly(
    limit: FlightLimit,
    bytesPerMs: number,
    {
      heldMs = 0,
      delayMs = rttMs,
      pingMs = delayMs,
    }: { heldMs?: number; delayMs?: number; pingMs?: number } = {},
  ): number {
    for (let sent = 65_536; sent <= flightBytes; sent += 65_536) limit.sent(sent);
    const sentAtMs = performance.now();
    for (let acked = ackBytes; acked <= flightBytes; acked += ackBytes) {
      const atMs = delayMs + (heldMs > 0 ? heldMs : acked / bytesPerMs);
      vi.advanceTimersByTime(sentAtMs + atMs - performance.now());
      limit.acknowledged(ackBytes, performance.now(), pingMs);
    }
    return limit.bytes;
  }

  /** The link delivers `bytesPerMs` for some round trips, and holds back what the limit does not. */
  function deliver(limit: FlightLimit, bytesPerMs: number, roundTrips: number): number {
    const until = performance.now() + roundTrips * rttMs;
    while (performance.now() < until) {
      limit.held();
      vi.advanceTimersByTime(10);
      limit.acknowledged(10 * bytesPerMs, performance.now(), rttMs);
    }
    return limit.bytes;
  }

  it("is as wide as the link after the first flight", () => {
    const bytes = fly(new FlightLimit(), 40_000);
    expect(bytes).toBeGreaterThan(2 * 0.9 * 40_000 * rttMs);
    expect(bytes).toBeLessThan(2 * 1.1 * 40_000 * (rttMs + 1));
  });

  it("takes no more than a process keeps for a peer", () => {
    expect(fly(new FlightLimit(), 125_000)).toBe(32 * 1_048_576);
  });

  it("doubles as elsewhere when the first flight shows no more than that", () => {
    const limit = new FlightLimit();
    const first = limit.bytes;
    expect(fly(limit, 8_000)).toBe(first);
    expect(saturate(limit, 8_000, rttMs, 3_000)).toBeGreaterThan(2 * 8_000 * rttMs);
  });

  it("is not widened by acknowledgements that were held up and come all at once", () => {
    const limit = new FlightLimit();
    const first = limit.bytes;
    expect(fly(limit, 10_000, { heldMs: 150 })).toBe(first);
    expect(fly(new FlightLimit(), 10_000, { heldMs: 250 })).toBe(first);
  });

  it("is not widened on a link with a short round trip", () => {
    const limit = new FlightLimit();
    const first = limit.bytes;
    expect(fly(limit, 500_000, { delayMs: 50 })).toBe(first);
    // Nor where the first ping came while a process was busy with its start.
    expect(fly(limit, 500_000, { delayMs: 2, pingMs: 80 })).toBe(first);
  });

  it("is not widened by a sender that has little to send", () => {
    const limit = new FlightLimit();
    const first = limit.bytes;
    for (let i = 0; i < 100; i++) {
      // A tenth of a flight in each round trip, acknowledged in two parts, one right behind the other.
      for (const sent of [10_000, 60_000]) limit.sent(sent);
      vi.advanceTimersByTime(rttMs);
      for (const bytes of [10_000, 50_000]) limit.acknowledged(bytes, performance.now(), rttMs);
    }
    expect(limit.bytes).toBe(first);
  });

  it("falls fast when it was too wide for the link", () => {
    const limit = new FlightLimit();
    expect(fly(limit, 125_000)).toBeGreaterThan(30 * megabyte);
    // 5 MB/s: a middle box had let a burst through.
    expect(deliver(limit, 5_000, 3)).toBeLessThan(20 * megabyte);
    expect(deliver(limit, 5_000, 8)).toBeLessThan(2.2 * 5_000 * rttMs);
  });

  it("stays once the link has shown the same rate, whatever the visitors take later", () => {
    const limit = new FlightLimit();
    fly(limit, 40_000);
    const shown = deliver(limit, 40_000, 3);
    expect(shown).toBeGreaterThan(2 * 0.9 * 40_000 * rttMs);
    expect(deliver(limit, 1_000, 8)).toBe(shown);
  });

  it("does not take a time without anything to send for a slow link", () => {
    const limit = new FlightLimit();
    saturate(limit, 40_000, rttMs, 3_000);
    // What is on its way arrives.
    for (let now = 3_000; now < 3_400; now += 5) limit.acknowledged(200_000, now, rttMs);
    const before = limit.bytes;
    // A second later something is sent again, and held back.
    limit.hit();
    limit.acknowledged(ackBytes, 4_400, rttMs);
    expect(limit.bytes).toBe(before);
  });
});
