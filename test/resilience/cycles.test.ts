import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createRelay, type Relay } from "mcp-tunnel";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { createVisitor, type Visitor } from "../support/visitor.js";
import { scaled } from "./scale.js";
import { nextEvent } from "./support.js";

const clientCount = 10;
const cycles = scaled(300, 10_000);
/** The growth of the heap that is allowed after the first fifth of the cycles. */
const heapNoiseBytes = 1_500_000;

const opened = closingAfterEach();

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function settledHeap(): Promise<number> {
  let bytes = Number.POSITIVE_INFINITY;
  // Some objects close over several turns of the loop. They let go of the rest in the end.
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collectGarbage();
    bytes = Math.min(bytes, process.memoryUsage().heapUsed);
  }
  return bytes;
}

function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/**
 * Runs a step so often that there are `cycles`, and fails if heap, handles or timers have grown since the
 * first fifth of them. Each step is a cycle of `clientCount` clients.
 */
async function expectNoGrowth(step: (i: number) => Promise<void>): Promise<void> {
  const steps = cycles / clientCount;
  const warmUp = steps / 5;
  for (let i = 0; i < warmUp; i++) await step(i);
  const before = { heap: await settledHeap(), handles: handles() };
  for (let i = warmUp; i < steps; i++) await step(i);
  const after = { heap: await settledHeap(), handles: handles() };
  const grownBytes = after.heap - before.heap;
  console.info(
    `${cycles} cycles: heap ${(before.heap / 1e6).toFixed(1)} MB, ${(grownBytes / 1e6).toFixed(2)} MB more; ` +
      `handles ${JSON.stringify(before.handles)} -> ${JSON.stringify(after.handles)}`,
  );
  expect(grownBytes).toBeLessThan(heapNoiseBytes);
  for (const [name, count] of Object.entries(after.handles)) {
    expect(count, name).toBeLessThanOrEqual((before.handles[name] ?? 0) + 1);
  }
}

/** Remembers nothing of its requests. `/events` stays open; all other requests are answered. */
async function startService() {
  const open = new Set<ServerResponse>();
  const server = createServer((req, res) => {
    if (req.url !== "/events") {
      res.end("served");
      return;
    }
    res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    open.add(res);
    res.on("close", () => open.delete(res));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    emit: (text: string) => open.forEach((res) => res.write(text)),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const names = Array.from({ length: clientCount }, (_, i) => `client-${i}`);
let service: Awaited<ReturnType<typeof startService>>;
let relay: Relay;
let proxy: FaultProxy;
let visitor: Visitor;

async function setUp(resumeTimeoutMs: number): Promise<void> {
  // No pauses: they would take most of the time. This is no mock, because a mock would remember each call.
  Math.random = () => 0;
  service = opened(await startService());
  relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0, resumeTimeoutMs });
  opened({ close: () => relay.close(0) });
  const { port } = await relay.listen();
  proxy = opened(await startFaultProxy(port));
  visitor = opened(createVisitor(port));
}

function startClients(shutdownGraceMs = 30_000): Promise<TunnelClient[]> {
  const options = { shutdownGraceMs, port: service.port, relayUrl: `http://127.0.0.1:${proxy.port}` };
  return Promise.all(names.map((subdomain) => startTunnelClient({ ...options, subdomain })));
}

async function serve(): Promise<void> {
  const answers = await Promise.all(names.map((name) => visitor.text(name, "/")));
  for (const answer of answers) expect(answer).toEqual({ status: 200, text: "served" });
}

const { random } = Math;
afterEach(() => {
  Math.random = random;
});

describe(`nothing grows in ${cycles} cycles of`, () => {
  it(
    "links that break and are resumed, with exchanges open all along",
    async () => {
      await setUp(60_000);
      // Their event streams end when a step cuts them.
      const clients = await startClients(0);
      for (const client of clients) opened(client);
      const streams = await Promise.all(names.map((name) => visitor.visit(name, "/events")));
      const events = streams.map(({ body }) => body[Symbol.asyncIterator]());
      await expectNoGrowth(async (i) => {
        const again = clients.map((client) => nextEvent(client, "connected"));
        proxy.cut();
        service.emit(`event ${i}`);
        for (const event of await Promise.all(again)) expect(event.resumed).toBe(true);
        for (const event of events) expect(String((await event.next()).value)).toBe(`event ${i}`);
      });
      expect(relay.tunnels()).toHaveLength(clientCount);
    },
    scaled(60_000, 900_000),
  );

  it(
    "clients that come, serve, lose their connection and never return",
    async () => {
      await setUp(50);
      await expectNoGrowth(async () => {
        const clients = await startClients();
        await serve();
        proxy.refusing = true;
        const lost = clients.map((client) => nextEvent(client, "disconnected"));
        proxy.cut();
        await Promise.all(lost);
        await Promise.all(clients.map((client) => client.close()));
        proxy.refusing = false;
      });
      await vi.waitFor(() => expect(relay.tunnels()).toHaveLength(0));
    },
    scaled(60_000, 900_000),
  );

  it(
    "clients that come, serve and say goodbye",
    async () => {
      await setUp(60_000);
      await expectNoGrowth(async () => {
        const clients = await startClients();
        await serve();
        await Promise.all(clients.map((client) => client.close()));
      });
      await vi.waitFor(() => expect(relay.tunnels()).toHaveLength(0));
    },
    scaled(60_000, 900_000),
  );
});
