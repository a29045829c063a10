import type { Refusal } from "mcp-tunnel-protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TunnelInfo } from "../src/tunnels/tunnel.js";
import { UntoldRefusals } from "../src/tunnels/untold.js";

const lost: Refusal = {
  code: "tunnel_dropped_request",
  status: 502,
  count: 1,
  method: "GET",
  path: "/",
  limit: undefined,
};

function infoOf(more: Partial<TunnelInfo> = {}): TunnelInfo {
  return {
    name: "app",
    url: "",
    instance: "i",
    address: "",
    client: undefined,
    grant: undefined,
    owner: "o",
    takesRefusals: true,
    gate: undefined,
    session: undefined,
    wire: "v1",
    pool: undefined,
    ...more,
  };
}

describe("refusals that a client has not heard of", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("are for the same process, token and name, once", () => {
    const untold = new UntoldRefusals();
    untold.keep(infoOf(), [lost]);
    for (const other of [{ name: "b" }, { instance: "j" }, { owner: "p" }, { takesRefusals: false }]) {
      expect(untold.take(infoOf(other))).toEqual([]);
    }
    expect(untold.take(infoOf())).toEqual([lost]);
    expect(untold.take(infoOf())).toEqual([]);
  });

  it("are not kept for a client that does not say which it is", () => {
    const untold = new UntoldRefusals();
    untold.keep(infoOf({ instance: undefined }), [lost]);
    expect(untold.take(infoOf({ instance: undefined }))).toEqual([]);
  });

  it("are kept for an hour", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const untold = new UntoldRefusals();
    untold.keep(infoOf(), [lost]);
    untold.keep(infoOf({ name: "b" }), [lost]);
    vi.setSystemTime(Date.now() + 3_599_000);
    expect(untold.take(infoOf())).toEqual([lost]);
    vi.setSystemTime(Date.now() + 2_000);
    expect(untold.take(infoOf({ name: "b" }))).toEqual([]);
  });

  it("are kept of so many tunnels, and of the newest", () => {
    const untold = new UntoldRefusals();
    for (let i = 0; i < 1_500; i++) untold.keep(infoOf({ name: `n${i}` }), [lost]);
    let kept = 0;
    for (let i = 0; i < 1_500; i++) kept += untold.take(infoOf({ name: `n${i}` })).length;
    expect(kept).toBe(1_024);
    untold.keep(infoOf(), [lost]);
    expect(untold.take(infoOf())).toEqual([lost]);
  });
});
