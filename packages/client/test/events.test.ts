import { EventEmitter, on, once } from "node:events";
import { inspect } from "node:util";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startUpstream } from "../../../test/support/upstream.js";
import { startTunnelClient, TunnelClient } from "../src/client.js";
import type { TunnelClientOptions } from "../src/options.js";
import type { RequestEndEvent, RequestStartEvent } from "../src/service/request-events.js";
import { visit } from "./relay-side.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();
let relay: TestRelay;

beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
});

async function startClient(more: Partial<TunnelClientOptions> = {}): Promise<TunnelClient> {
  const options = { fetch: () => new Response("hello"), relayUrl: relay.url, ...more };
  return closing(await startTunnelClient(options));
}

const session = (): never => relay.session as never;

describe("a client as an emitter of node:events", () => {
  it("tells once, and can be waited for", async () => {
    const options = { fetch: () => new Response("hello"), relayUrl: relay.url, subdomain: "demo" };
    const client = closing(new TunnelClient(options));
    expect(client).toBeInstanceOf(EventEmitter);
    let count = 0;
    client.once("connected", () => (count += 1));
    const connected = once(client, "connected");
    await client.start();
    expect(await connected).toMatchObject([{ subdomain: "demo", resumed: false }]);
    const again = once(client, "connected");
    relay.cut();
    expect(await again).toMatchObject([{ resumed: true }]);
    expect([count, client.listenerCount("connected")]).toEqual([1, 0]);
  });

  it("can be followed, and a fault does not end that", async () => {
    const upstream = await startUpstream();
    await upstream.close();
    const { port } = upstream;
    const client = await startClient({ fetch: undefined as never, port });
    const requests = on(client, "request", { close: ["closed"] });
    await visit(session(), { path: "/1" }).cut();
    await visit(session(), { path: "/2" }).cut();
    // Were there an event `error`, the first fault would be thrown here.
    expect((await requests.next()).value).toMatchObject([
      { path: "/1", error: { code: "upstream_unreachable" } },
    ]);
    expect((await requests.next()).value).toMatchObject([{ path: "/2" }]);
    await client.close();
    expect((await requests.next()).done).toBe(true);
  });
});

describe("the events of a request", () => {
  it("tell who asks for what, and how it ends", async () => {
    relay.visitorAddress = true;
    const client = await startClient();
    const started: RequestStartEvent[] = [];
    client.on("requestStart", (event) => started.push(event));
    const over = once(client, "request");
    const headers = ["X-Request-Id", "r-1", "X-Tunnel-Visitor", "192.0.2.7", "Cookie", "a=1"];
    await visit(session(), { path: "/x?y", headers }).complete();
    const about = {
      id: 1,
      requestId: "r-1",
      visitorAddress: "192.0.2.7",
      method: "GET",
      path: "/x?y",
    };
    expect(JSON.parse(JSON.stringify(started))).toEqual([about]);
    expect(started[0]?.headers).toEqual(expect.arrayContaining(["Cookie", "a=1"]));
    const [event] = (await over) as [RequestEndEvent];
    const end = {
      status: 200,
      durationMs: event.durationMs,
      requestBytes: 0,
      responseBytes: 5,
      error: undefined,
    };
    expect({ ...event }).toEqual({ ...about, ...end });
    // Whoever logs the whole event writes down no cookie.
    expect([event.headers.includes("a=1"), inspect(event).includes("a=1")]).toEqual([true, false]);
    expect(event.durationMs).toBeGreaterThan(0);
  });

  it("come in pairs, also for a request that is refused before it reaches the service", async () => {
    const client = await startClient({ maxStreams: 1, fetch: () => new Promise<Response>(() => {}) });
    const told: string[] = [];
    client.on("requestStart", ({ id, path }) => told.push(`${id} ${path} begins`));
    client.on("request", ({ id, status, error }) => told.push(`${id} ${status} ${error?.code}`));
    const first = visit(session(), { path: "/first" });
    await vi.waitFor(() => expect(told.length).toBe(1));
    await visit(session(), { path: "/second" }).cut();
    expect(told).toEqual(["1 /first begins", "2 /second begins", "2 502 overloaded"]);
    first.stream.reset("cancelled");
    await once(client, "request");
    expect(told.at(-1)).toBe("1 undefined cancelled");
  });

  it("do not believe an address that the relay has not announced", async () => {
    const client = await startClient();
    const started = once(client, "requestStart");
    await visit(session(), { headers: ["X-Tunnel-Visitor", "192.0.2.7"] }).complete();
    expect(await started).toMatchObject([{ visitorAddress: undefined, requestId: undefined }]);
  });

  it("cost nothing while nobody listens", async () => {
    const client = await startClient();
    let read = 0;
    const emit = client.emit.bind(client);
    client.emit = ((name: "request", event: RequestEndEvent) => {
      read += 1;
      return emit(name, event);
    }) as typeof client.emit;
    for (let i = 0; i < 3; i += 1) await visit(session()).complete();
    expect(read).toBe(0);
    client.on("request", () => {});
    const over = once(client, "request");
    await visit(session()).complete();
    await over;
    expect(read).toBe(1);
  });
});
