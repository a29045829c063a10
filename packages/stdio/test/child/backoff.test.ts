import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Backoff } from "../../src/child/backoff.js";
import { resolveOptions } from "../../src/options.js";

describe("the pause before a server is started again", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("doubles with each failure up to its bound, and starts over after a success", () => {
    const backoff = new Backoff(
      resolveOptions({ command: "x", minRestartDelayMs: 100, maxRestartDelayMs: 350 }),
    );
    const fail = (): number => {
      backoff.failed();
      return backoff.waitMs;
    };
    expect(backoff.waitMs).toBe(0);
    expect([fail(), fail(), fail(), fail()]).toEqual([100, 200, 350, 350]);
    vi.advanceTimersByTime(349);
    expect(backoff.waitMs).toBe(1);
    vi.advanceTimersByTime(1);
    expect(backoff.waitMs).toBe(0);
    backoff.succeeded();
    expect(fail()).toBe(100);
    backoff.succeeded();
    expect(backoff.waitMs).toBe(0);
  });
});
