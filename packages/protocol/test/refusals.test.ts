import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RefusalGatherer } from "../src/refusal-gatherer.js";
import { refusalCodes } from "../src/refusals.js";
import type { Refusal, RefusalCode } from "../src/refusals.js";
import { maxRefusedBytes } from "../src/v1/frame.js";
import { decodeRefusals, encodeRefusals } from "../src/v1/refused.js";
import { Violation } from "../src/v1/violation.js";
import { fuzzTimeoutMs, runs } from "./support/fuzz.js";

const text = fc.oneof(
  fc.string({ maxLength: 300, unit: "binary" }),
  fc.nat(400).map((length) => "/".padEnd(length, "x")),
);
const option = fc.stringMatching(/^[a-z][a-z-]{0,30}$/);
const refusal: fc.Arbitrary<Refusal> = fc.record({
  code: fc.constantFrom(...refusalCodes),
  status: fc.option(fc.integer({ min: 100, max: 999 }), { nil: undefined }),
  count: fc.integer({ min: 1, max: 2 ** 40 }),
  method: text,
  path: text,
  limit: fc.option(
    fc.record({
      option,
      value: fc.nat(2 ** 40),
      unit: fc.constantFrom("bytes" as const, "count" as const, "ms" as const),
    }),
    { nil: undefined },
  ),
});

describe("REFUSED", () => {
  it("fits into its limit and is read as it was meant, whatever the visitors said", () => {
    fc.assert(
      fc.property(fc.array(refusal, { minLength: 1, maxLength: 40 }), (refusals) => {
        const payload = encodeRefusals(refusals);
        expect(payload).toMatch(/^[\n -~]*$/);
        expect(payload.length).toBeLessThanOrEqual(maxRefusedBytes);
        const read = decodeRefusals(Buffer.from(payload, "latin1"));
        const shape = ({ code, status, limit, method, path }: Refusal) => {
          return {
            code,
            status,
            limit,
            method: Math.min(method.length, 16),
            path: Math.min(path.length, 200),
          };
        };
        expect(read.map(shape)).toEqual(refusals.slice(0, 32).map(shape));
      }),
      runs(200),
    );
  });

  it(
    "is a violation or well-formed, whatever comes",
    () => {
      const strings = fc.oneof(
        fc.constantFrom<string>(
          ...refusalCodes,
          "",
          "1",
          "413",
          "max-request-body 5 bytes",
          "new-limit 1 parsec",
        ),
        fc.string({ unit: "binary", maxLength: 20 }),
      );
      const payloads = fc.oneof(
        fc.array(strings, { maxLength: 24 }).map((all) => Buffer.from(all.join("\n"), "latin1")),
        fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
        fc.nat(maxRefusedBytes).map((length) => Buffer.alloc(length, "\n")),
      );
      fc.assert(
        fc.property(payloads, (payload) => {
          let refusals: Refusal[];
          try {
            refusals = decodeRefusals(payload);
          } catch (error) {
            expect(error).toBeInstanceOf(Violation);
            return;
          }
          // The receiver could send the decoded refusals again.
          expect(decodeRefusals(Buffer.from(encodeRefusals(refusals), "latin1"))).toEqual(refusals);
        }),
        runs(500),
      );
    },
    fuzzTimeoutMs,
  );
});

describe("refusals that are gathered", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function one(code: RefusalCode, more: Partial<Refusal> = {}): Refusal {
    return { code, status: 503, count: 1, method: "GET", path: "/", limit: undefined, ...more };
  }

  /** A gatherer, and the refusals that it has handed on. */
  function start(isPossible = (): boolean => true) {
    const handed: { atMs: number; refusals: readonly Refusal[] }[] = [];
    const gatherer = new RefusalGatherer((refusals) => {
      if (!isPossible()) return false;
      handed.push({ atMs: Date.now(), refusals });
      return true;
    });
    const counts = () => handed.map(({ refusals }) => refusals.map(({ count }) => count));
    return { gatherer, handed, counts };
  }

  it("go at once, and those of the second after that together, with the first of them", () => {
    const { gatherer, handed } = start();
    gatherer.add([one("tunnel_timeout", { path: "/first" })]);
    expect(handed.length).toBe(1);
    for (let i = 0; i < 41; i++) gatherer.add([one("tunnel_timeout", { path: `/${i}` })]);
    gatherer.add([one("url_too_long", { path: "/long" })]);
    vi.advanceTimersByTime(999);
    expect(handed.length).toBe(1);
    vi.advanceTimersByTime(1);
    expect(handed[1]?.refusals).toEqual([
      one("tunnel_timeout", { path: "/0", count: 41 }),
      one("url_too_long", { path: "/long" }),
    ]);
    vi.advanceTimersByTime(60_000);
    expect(handed.length).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are of one kind by code, limit and status", () => {
    const { gatherer, counts } = start();
    const limit = (named: string) => ({ limit: { option: named, value: 1, unit: "count" as const } });
    gatherer.add([
      one("tunnel_reconnecting", limit("hold-timeout")),
      one("tunnel_reconnecting", limit("max-held-requests")),
      one("tunnel_reconnecting", limit("hold-timeout")),
      one("tunnel_reconnecting", { ...limit("hold-timeout"), status: undefined }),
    ]);
    expect(counts()).toEqual([[2, 1, 1]]);
  });

  it("wait while they cannot be handed on, and are counted on", () => {
    let isPossible = false;
    const { gatherer, counts } = start(() => isPossible);
    gatherer.add([one("tunnel_reconnecting")]);
    vi.advanceTimersByTime(30_000);
    gatherer.add([one("tunnel_reconnecting")]);
    isPossible = true;
    gatherer.proceed();
    expect(counts()).toEqual([[2]]);
    // The gatherer was not held up, so the pause stands.
    gatherer.add([one("tunnel_reconnecting")]);
    gatherer.proceed();
    expect(counts()).toEqual([[2]]);
    vi.advanceTimersByTime(1_000);
    expect(counts()).toEqual([[2], [1]]);
  });

  it("can be taken out, and the rest handed on at the end", () => {
    const { gatherer, counts } = start();
    gatherer.add([one("url_too_long")]);
    gatherer.add([one("tunnel_timeout")]);
    expect(gatherer.take()).toEqual([one("tunnel_timeout")]);
    expect(vi.getTimerCount()).toBe(0);
    gatherer.add([one("url_too_long")]);
    gatherer.add([one("url_too_long")]);
    gatherer.end();
    expect(counts()).toEqual([[1], [1], [1]]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are handed on once a second at most and by kinds, and none is lost as long as the kinds are few", () => {
    const step = fc.record({
      afterMs: fc.constantFrom(0, 0, 0, 1, 300, 2_000),
      refusals: fc.array(refusal, { maxLength: 5 }),
      isPossible: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let isPossible = true;
        const { gatherer, handed } = start(() => isPossible);
        const kinds = new Set<string>();
        let added = 0;
        for (const { afterMs, refusals, isPossible: possible } of steps) {
          isPossible = possible;
          vi.advanceTimersByTime(afterMs);
          // Kinds by code alone are fewer than the bound.
          const some = refusals.map((given) => ({ ...given, count: 1, status: 502, limit: undefined }));
          for (const { code } of some) kinds.add(code);
          added += some.length;
          gatherer.add(some);
        }
        isPossible = true;
        vi.advanceTimersByTime(3_000);
        const sum = handed.flatMap(({ refusals }) => refusals).reduce((all, { count }) => all + count, 0);
        expect(sum).toBe(added);
        for (const [i, { atMs, refusals }] of handed.entries()) {
          expect(refusals.length).toBeLessThanOrEqual(kinds.size);
          const last = handed[i - 1];
          if (last !== undefined) expect(atMs - last.atMs).toBeGreaterThanOrEqual(1_000);
        }
      }),
      runs(200),
    );
  });

  it("are of 32 kinds at most, even if a relay makes limits up", () => {
    const { gatherer, handed } = start();
    gatherer.add([one("other")]);
    for (let i = 0; i < 1_000; i++) {
      gatherer.add([one("other", { limit: { option: `o-${i}`, value: 1, unit: "count" } })]);
    }
    vi.advanceTimersByTime(1_000);
    expect(handed[1]?.refusals.length).toBe(32);
  });
});
