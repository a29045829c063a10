import type { Refusal } from "mcp-tunnel-protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { takeRefusals } from "../src/hop/refusals.js";
import { HopWorld } from "./support/hop-world.js";

const opened = closingAfterEach();
const refusal: Refusal = {
  code: "request_too_large",
  status: 413,
  count: 1,
  method: "POST",
  path: "/upload",
  limit: { option: "max-request-body", value: 1_000, unit: "bytes" },
};
/** A cut answer has no status, and there may be no limit. JSON leaves both out. */
const cut: Refusal = { ...refusal, code: "visitor_stalled", status: undefined, limit: undefined };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("requests refused at another relay", () => {
  it("are told to the tunnel's relay, once a second at most, and by it to the client", () => {
    const world = opened(new HopWorld());
    world.route.tellRefusals([refusal]);
    for (let i = 0; i < 1_000; i += 1) world.route.tellRefusals([refusal, cut]);
    expect(world.asked).toHaveLength(1);
    vi.advanceTimersByTime(1_000);
    expect(world.asked).toHaveLength(2);
    vi.advanceTimersByTime(10_000);
    expect(world.asked).toHaveLength(2);
    for (const [about, body] of world.asked) {
      expect(about).toBe("refusals");
      takeRefusals(world.find, JSON.parse(JSON.stringify(body)));
    }
    expect(world.tunnel.told).toEqual([refusal, { ...refusal, count: 1_000 }, { ...cut, count: 1_000 }]);
  });

  it("are not told if the client does not want to know, or has moved", () => {
    const silent = opened(new HopWorld({ takesRefusals: false }));
    silent.route.tellRefusals([refusal]);
    expect(silent.asked).toEqual([]);

    const world = opened(new HopWorld());
    takeRefusals(world.find, { name: "app", gen: world.entry.gen - 1, refusals: [refusal] });
    takeRefusals(world.find, { name: "other", gen: world.entry.gen, refusals: [refusal] });
    expect(world.tunnel.told).toEqual([]);
  });

  it("cost nothing while the relay cannot be reached", async () => {
    const world = opened(new HopWorld());
    world.peer.ask = () => Promise.reject(new Error("no link"));
    world.route.tellRefusals([refusal]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["no list", { refusals: refusal }],
    ["a code that is no word", { refusals: [{ ...refusal, code: "a\nb" }] }],
    ["a status that is none", { refusals: [{ ...refusal, status: 42 }] }],
    ["a count of none", { refusals: [{ ...refusal, count: 0 }] }],
    ["an option with a space", { refusals: [{ ...refusal, limit: { ...refusal.limit, option: "a b" } }] }],
    ["a path that is no text", { refusals: [{ ...refusal, path: 1 }] }],
  ])("mean nothing if the report has %s: the client would take its message for broken", (_what, body) => {
    const world = opened(new HopWorld());
    const { name, gen } = world.entry;
    takeRefusals(world.find, body === undefined ? body : { name, gen, ...(body as object) });
    expect(world.tunnel.told).toEqual([]);
  });
});
