import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { statusTable } from "../src/cli/output/status-table.js";
import { type RelayOptions, staticAuthenticator, type TunnelStatus } from "../src/index.js";
import { ScriptedClient, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

const bearer = { kinds: ["bearer"], digest: "x" };
const reason =
  "this relay takes only tunnels with a gate: use mcp-tunnel-client with --visitor-auth oauth,bearer";
const refused = { code: 4001, reason };

async function setUp(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay({ requireVisitorAuth: true, ...options }));
  /** The answer to a registration, or how it was refused. */
  const answer = async (message: object) => {
    const client = opened(await ScriptedClient.connect(relay.port));
    client.send({ token: "t", subdomain: "app", ...message });
    return client.next().catch(() => client.closed);
  };
  return { relay, answer };
}

describe("a relay that takes only tunnels with a gate", () => {
  it.each([["bearer"], ["basic"], ["oauth"], ["later", "oauth"]])("takes %s", async (...kinds) => {
    const { answer } = await setUp();
    const gate = { kinds, digest: "x" };
    expect(await answer({ protocol: [1], gate })).toMatchObject({ subdomain: "app", protocol: 1 });
  });

  it.each<[string, object]>([
    ["an original, which declares nothing", {}],
    ["a client of version 1 that declares nothing", { protocol: [1] }],
    ["addresses alone: everybody behind an address gets in", { gate: { kinds: [], digest: "x" } }],
    ["a kind that it does not know", { gate: { kinds: ["later"], digest: "x" } }],
    ["a malformed declaration", { gate: { kinds: ["bearer"] } }],
  ])("refuses %s", async (_, message) => {
    const { answer, relay } = await setUp();
    expect(await answer(message)).toEqual(refused);
    expect(relay.tunnels()).toEqual([]);
  });

  it("lets a client that it refuses take no name from another", async () => {
    const { answer, relay } = await setUp();
    const holder = opened(await V1Client.connect(relay.port, "app", { gate: bearer }));
    expect(await answer({ protocol: [1] })).toEqual(refused);
    expect(relay.tunnels()).toMatchObject([{ name: "app", state: "online", gate: ["bearer"] }]);
    expect(holder.detached).toEqual([]);
  });

  it("says so before a person picks a name, and to holders of a token only", async () => {
    const tokens = [{ token: "many", subdomains: ["a", "b"] }];
    const { answer } = await setUp({ authenticator: staticAuthenticator(tokens) });
    expect(await answer({ token: "many" })).toEqual(refused);
    expect(await answer({ token: "none" })).toEqual({ code: 4001, reason: "invalid token" });
  });

  // A client might register with a gate, lose its link, and come back without one.
  it("keeps the gate of a session that is resumed, whatever the client says then", async () => {
    const { relay } = await setUp();
    const client = opened(await V1Client.connect(relay.port, "app", { gate: bearer }));
    client.cut();
    await relay.logged("tunnel away");
    await client.resume();
    expect(relay.tunnels()).toMatchObject([{ name: "app", state: "online", gate: ["bearer"] }]);
  });

  // "resume" of a session that was never there leads to a registration, which has to declare a gate.
  it("lets nobody in who pretends to return", async () => {
    const { answer } = await setUp();
    const resume = { session: "s".repeat(16), secret: "s".repeat(32), received: 0 };
    expect(await answer({ protocol: [1], resume, returning: true })).toEqual(refused);
    expect(await answer({ protocol: [1], resume, gate: bearer })).toMatchObject({ subdomain: "app" });
  });
});

describe("a relay that wants no gate", () => {
  it("takes what declares none, and a malformed declaration as none", async () => {
    const { answer, relay } = await setUp({ requireVisitorAuth: false });
    expect(await answer({ subdomain: "a" })).toMatchObject({ subdomain: "a" });
    expect(await answer({ subdomain: "b", gate: "open" })).toMatchObject({ subdomain: "b" });
    expect(await answer({ subdomain: "c", gate: { kinds: [], digest: "x" } })).toMatchObject({
      subdomain: "c",
    });
    expect(relay.tunnels().map(({ gate }) => gate)).toEqual([null, null, []]);
  });
});

describe("the status table", () => {
  const state = { version: "1.0.0", startedAt: 0, draining: false };
  const tunnel: TunnelStatus = {
    ...{ name: "app", url: "https://app.localhost", state: "online", since: 0, address: "127.0.0.1" },
    ...{ client: undefined, token: undefined, note: undefined, wire: "v1", gate: null, pool: false },
    ...{ rttMs: undefined },
    ...{ requests: 0, requestBytes: 0, responseBytes: 0, streams: 0, queuedBytes: 0 },
  };
  // Its answer has no field `gate`.
  const ofOlderRelay = { ...tunnel, gate: undefined } as unknown as TunnelStatus;

  it.each<[string, string, TunnelStatus]>([
    ["the kinds of a gate", "oauth,bearer", { ...tunnel, gate: ["oauth", "bearer"] }],
    ["a gate that looks at addresses", "addresses", { ...tunnel, gate: [] }],
    ["no gate", "-", tunnel],
    ["a relay that does not tell", "-", ofOlderRelay],
  ])("shows %s", (_, text, shown) => {
    const [, , head = "", row = ""] = statusTable({ relay: state, tunnels: [shown] }, 0);
    const column = head.indexOf("GATE");
    expect(row.slice(column).split(" ")[0]).toBe(text);
  });

  it("leaves columns out for a narrow terminal, and says which", () => {
    const relay = { ...state, node: "n29442fdee2e75895" };
    const client = { name: "mcp-tunnel-client", version: "0.1.0" };
    const shown = { ...tunnel, client, address: "203.0.113.207", relay: relay.node };
    const wide = statusTable({ relay, tunnels: [shown] }, 0);
    expect(wide[3]).toMatch(
      /^app +n29442fdee2e75895 +0s +203.0.113.207 +mcp-tunnel-client 0.1.0 +- +- +0 +0 B +0 B +0 +online$/,
    );
    expect(statusTable({ relay, tunnels: [shown] }, 0, wide[3]?.length)).toEqual(wide);
    const narrow = statusTable({ relay, tunnels: [shown] }, 0, 80);
    expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(narrow[3]).toMatch(/^app +n294\S+95 +0s +203.0.113.207 +- +- +0 +0 B +0 +online$/);
    expect(narrow.slice(-2).join(" ")).toContain("no room for VERSION, IN; long texts are cut");
  });
});
