import { describe, expect, it } from "vitest";
import { resolveAcmeOptions } from "../src/tls/acme/options.js";
import { renewalTime, retryDelayMs } from "../src/tls/acme/renewal.js";

const dayMs = 86_400_000;

describe("the renewal of a certificate", () => {
  it("is due after two thirds of its life, or a little later, whatever that life is", () => {
    const from = new Date("2030-01-01T00:00:00Z");
    for (const days of [90, 45, 6]) {
      const to = new Date(from.getTime() + days * dayMs);
      const dueDays = (jitter: number): number => (renewalTime(from, to, jitter) - from.getTime()) / dayMs;
      expect(dueDays(0)).toBeCloseTo((days * 2) / 3);
      expect(dueDays(1)).toBeCloseTo(days * (2 / 3 + 0.05));
    }
  });

  it("is tried again less and less often", () => {
    const minutes = (failures: number): number => retryDelayMs(failures, 0) / 60_000;
    expect([1, 2, 3, 4, 5, 8, 9, 1_000].map(minutes)).toEqual([2, 4, 8, 16, 32, 256, 360, 360]);
    expect(retryDelayMs(1, 1)).toBe(150_000);
    // Let's Encrypt allows five failures in an hour.
    expect(minutes(1) + minutes(2) + minutes(3) + minutes(4) + minutes(5)).toBeGreaterThan(60);
  });
});

describe("the options of ACME", () => {
  const needed = { email: "operator@example.com", hook: "hook" };

  it("have defaults", () => {
    expect(resolveAcmeOptions(needed)).toEqual({
      ...needed,
      directory: "https://acme-v02.api.letsencrypt.org/directory",
      storage: "acme",
      propagationMs: 30_000,
    });
  });

  it.each([
    { email: "operator" },
    { email: "" },
    { directory: "http://acme.example.com/dir" },
    { directory: "letsencrypt" },
  ])("cannot be %o", (wrong) => {
    expect(() => resolveAcmeOptions({ ...needed, ...wrong })).toThrow(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });
});
