import { createRelay, type Relay, type RelayOptions } from "mcp-tunnel";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, type Visitor } from "../support/visitor.js";
import { nextEvent } from "./support.js";

const opened = closingAfterEach();

let upstream: Upstream;
let relay: Relay;
let visitor: Visitor;
let proxy: FaultProxy;

async function startRelay(options: Partial<RelayOptions>): Promise<void> {
  relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, ...options });
  opened({ close: () => relay.close(0) });
  const { port } = await relay.listen();
  visitor = opened(createVisitor(port));
  proxy = opened(await startFaultProxy(port));
}

async function startClient(subdomain = "demo"): Promise<TunnelClient> {
  const relayUrl = `http://127.0.0.1:${proxy.port}`;
  return opened(await startTunnelClient({ port: upstream.port, relayUrl, subdomain }));
}

/** Takes the network away from all clients, until the test resets `proxy.refusing`. */
async function takeAway(...clients: TunnelClient[]): Promise<void> {
  const lost = clients.map((client) => nextEvent(client, "disconnected"));
  proxy.refusing = true;
  proxy.cut();
  await Promise.all(lost);
}

async function exchanges(count: number): Promise<void> {
  while (relay.openExchanges !== count) await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(async () => {
  upstream = opened(await startUpstream());
});

describe("a relay that has just started", () => {
  it("lets requests wait for clients that come back to it", async () => {
    await startRelay({ startupHoldMs: 20_000 });
    const waiting = ["/status/201", "/status/202"].map((path) => visitor.text("demo", path));
    const other = visitor.visit("other", "/").catch(() => {});
    await exchanges(3);
    await startClient();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([201, 202]);
    // The visitor of a name without a client waits on.
    expect(relay.openExchanges).toBe(1);
    await visitor.close();
    await other;
  });

  it("does so for a moment only, and not later", async () => {
    await startRelay({ startupHoldMs: 300 });
    const askedAtMs = performance.now();
    expect(await visitor.text("demo", "/")).toEqual({ status: 502, text: "tunnel not found" });
    expect(performance.now() - askedAtMs).toBeGreaterThan(200);
    // This relay does not hold the visitor any more. A visitor who waits for a client that is away gets 503
    // in the end.
    expect((await visitor.text("demo", "/")).status).toBe(502);
  });

  it("does so within the bounds of any hold", async () => {
    await startRelay({ startupHoldMs: 20_000, maxHeldRequests: 2 });
    const waiting = [0, 1].map(() => visitor.text("demo", "/status/201"));
    await exchanges(2);
    const answer = await visitor.visit("demo", "/");
    expect([answer.statusCode, await answer.body.text()]).toEqual([503, "tunnel reconnecting"]);
    expect(answer.headers["retry-after"]).toBe("5");
    await startClient();
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(201);
  });
});

describe("what waits for clients that are away", () => {
  it("is bounded over all names together, by what it may hold", async () => {
    // Room for ten requests without a body.
    await startRelay({ startupHoldMs: 0, maxHeldBytes: 10 * 8_192 });
    const clients = [await startClient("one"), await startClient("two")];
    await takeAway(...clients);
    const waiting = Array.from({ length: 10 }, (_, i) =>
      visitor.text(i % 2 === 0 ? "one" : "two", "/status/201"),
    );
    await exchanges(10);
    expect((await visitor.text("one", "/")).status).toBe(503);
    expect((await visitor.text("two", "/")).status).toBe(503);
    proxy.refusing = false;
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(201);
    // The waiting requests have given their room back.
    const back = clients.filter(({ state }) => state !== "online");
    await Promise.all(back.map((client) => nextEvent(client, "connected")));
    await takeAway(...clients);
    const again = Array.from({ length: 10 }, () => visitor.text("one", "/status/202"));
    await exchanges(10);
    proxy.refusing = false;
    for (const { status } of await Promise.all(again)) expect(status).toBe(202);
  });

  it("counts the body that was sent ahead", async () => {
    await startRelay({ startupHoldMs: 0, maxHeldBytes: 2 * 8_192 + 100_000 });
    const client = await startClient();
    await takeAway(client);
    const body = Buffer.alloc(100_000, "x");
    const first = visitor.text("demo", "/echo", { method: "POST", body });
    await exchanges(1);
    expect((await visitor.text("demo", "/echo", { method: "POST", body })).status).toBe(503);
    const small = visitor.text("demo", "/status/201");
    await exchanges(2);
    proxy.refusing = false;
    expect((await first).text).toBe(body.toString());
    expect((await small).status).toBe(201);
  });

  it("gets 503 and Retry-After when the time is over", async () => {
    await startRelay({ startupHoldMs: 0, holdTimeoutMs: 600 });
    const client = await startClient();
    await takeAway(client);
    const askedAtMs = performance.now();
    const answer = await visitor.visit("demo", "/");
    expect(performance.now() - askedAtMs).toBeGreaterThan(590);
    expect([answer.statusCode, await answer.body.text()]).toEqual([503, "tunnel reconnecting"]);
    expect(answer.headers["retry-after"]).toBe("5");
  });
});
