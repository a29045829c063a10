import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Tries } from "../src/tries.js";

describe("Tries", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
    vi.advanceTimersByTime(1_000);
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** Fails until the address has to wait. Returns how often that was. */
  function exhaust(tries: Tries, address: string): number {
    for (let count = 0; count < 1_000; count++) {
      if (tries.waitSeconds(address) > 0) return count;
      tries.failed(address);
    }
    throw new Error("there is no limit");
  }

  it("lets an address fail so often at once, and so often a minute", () => {
    const tries = new Tries(5);
    expect(exhaust(tries, "192.0.2.1")).toBe(5);
    expect(tries.waitSeconds("192.0.2.1")).toBe(12);
    vi.advanceTimersByTime(11_000);
    expect(tries.waitSeconds("192.0.2.1")).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(exhaust(tries, "192.0.2.1")).toBe(1);
    vi.advanceTimersByTime(60_000);
    expect(exhaust(tries, "192.0.2.1")).toBe(5);
  });

  it("costs nothing that an address asks whether it may", () => {
    const tries = new Tries(1);
    for (let i = 0; i < 100; i++) expect(tries.waitSeconds("192.0.2.1")).toBe(0);
  });

  it.each([
    ["192.0.2.1", "192.0.2.2", false],
    ["192.0.2.1", "::ffff:192.0.2.1", true],
    ["2001:db8::1", "2001:db8::ffff:1", true],
    ["2001:db8::1", "2001:db8:0:1::1", false],
  ])("counts %s and %s together: %s", (first, second, together) => {
    const tries = new Tries(3);
    exhaust(tries, first);
    expect(tries.waitSeconds(second) > 0).toBe(together);
  });

  it("never makes visitors wait whose address nobody has told", () => {
    const tries = new Tries(1);
    for (let i = 0; i < 100; i++) tries.failed(undefined);
    expect(tries.waitSeconds(undefined)).toBe(0);
  });

  it("remembers 10,000 addresses, and of more forgets who has not tried for longest", () => {
    const tries = new Tries(1);
    const address = (i: number): string => `10.0.${i >> 8}.${i & 255}`;
    for (let i = 0; i < 10_000; i++) tries.failed(address(i));
    expect(tries.waitSeconds(address(0))).toBe(60);
    tries.failed("192.0.2.1");
    // The look just now has made the first the newest.
    expect(tries.waitSeconds(address(0))).toBe(60);
    expect(tries.waitSeconds(address(1))).toBe(0);
  });
});
