import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type AdminRelay, Scrape, startAdminRelay } from "../admin/support.js";
import { startService, type Service } from "../fuzz/support/service.js";
import { type ClientCommand, type RunningCommand, startClientCommand } from "../support/commands.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { Traffic } from "./traffic.js";

// Traffic of all kinds, with broken links, evictions, bad clients and bad visitors. Afterwards both commands
// hold as much as before: heap, handles, objects, and the numbers that the relay counts.
// `npm run test:resilience -- --quick` runs it for seconds, `npm run soak` for as long as one likes.

const minutes = Number(process.env["MCP_TUNNEL_SOAK_MINUTES"] ?? 0);
const totalMs = minutes > 0 ? minutes * 60_000 : 4_000;
/** The growth of a heap that is allowed: V8 learns about code that runs seldom. */
const heapNoiseBytes = 2_500_000;
/** The time until one of the two ends has closed each idle connection. */
const settleMs = 30_000;

interface Probe {
  heapBytes: number;
  handles: Record<string, number>;
  addresses: number;
}

let service: Service;
let relay: AdminRelay;
let proxy: FaultProxy;
let client: ClientCommand;
beforeAll(async () => {
  const env = { NODE_OPTIONS: `--import=${new URL("probe.mjs", import.meta.url).href}` };
  service = await startService();
  relay = await startAdminRelay(
    [
      ...["--resume-timeout", "1s", "--hold-timeout", "5s", "--header-timeout", "2s", "--idle-timeout", "3s"],
      // Loopback counts like any other address. It may do as much as this test wants.
      ...["--limit-exempt", "none", "--max-registrations-per-minute", "1000000", "--access-log", "off"],
    ],
    env,
  );
  proxy = await startFaultProxy(relay.port);
  client = await startClientCommand(service.port, proxy.port, ["--subdomain", "demo", "--token", "t"], env);
});
afterAll(async () => {
  await client.close();
  await proxy.close();
  await relay.close();
  await service.close();
});

async function probe<What extends object = Probe>(
  command: RunningCommand,
  signal: NodeJS.Signals = "SIGUSR2",
): Promise<What> {
  const before = command.stderr.length;
  command.child.kill(signal);
  const line = await command.waitFor("a probe", () =>
    command.stderr.slice(before).find((text) => text.startsWith('{"probe"')),
  );
  return (JSON.parse(line) as { probe: What }).probe;
}

/** The numbers of open things in the relay's metrics. */
async function counted(): Promise<Record<string, number>> {
  const scrape = await Scrape.of(relay);
  return {
    online: scrape.value("mcp_tunnel_tunnels", { state: "online" }),
    away: scrape.value("mcp_tunnel_tunnels", { state: "away" }),
    requests: scrape.value("mcp_tunnel_requests_open"),
    streams: scrape.value("mcp_tunnel_streams"),
    queuedBytes: scrape.value("mcp_tunnel_queued_bytes"),
  };
}

interface State {
  counted: Record<string, number>;
  relay: Probe;
  client: Probe;
}

/** Waits until only the tunnel is open. Returns the numbers of both ends. */
async function settled(): Promise<State> {
  const idle = { online: 1, away: 0, requests: 0, streams: 0, queuedBytes: 0 };
  await vi.waitFor(async () => expect(await counted()).toEqual(idle), { timeout: settleMs, interval: 200 });
  return vi.waitFor(
    async () => {
      const state = { counted: await counted(), relay: await probe(relay), client: await probe(client) };
      // The link. At the relay also connections of a scrape a moment ago.
      expect(state.client.handles["TCPSocketWrap"]).toBe(1);
      expect(state.relay.handles["TCPSocketWrap"]).toBeLessThanOrEqual(3);
      // Only the address of the link's connection is counted.
      expect(state.relay.addresses).toBe(1);
      return state;
    },
    { timeout: settleMs, interval: 500 },
  );
}

it(
  `${minutes > 0 ? `${minutes} minutes` : "some seconds"} of everything leave nothing behind`,
  async () => {
    const traffic = new Traffic(relay.port, proxy);
    await traffic.run(totalMs / 5);
    const before = await settled();
    await traffic.run((totalMs * 4) / 5);
    const after = await settled();
    const objects = { relay: await probe(relay, "SIGCONT"), client: await probe(client, "SIGCONT") };

    console.info(
      `${JSON.stringify(traffic.tally)}; ${traffic.wrong.length} wrong ${traffic.wrong.slice(0, 5).join("; ")}`,
    );
    for (const end of ["relay", "client"] as const) {
      const [was, is] = [before[end], after[end]];
      const heap = (bytes: number): string => (bytes / 1e6).toFixed(2);
      console.info(
        `${end}: heap ${heap(was.heapBytes)} -> ${heap(is.heapBytes)} MB; handles ${JSON.stringify(was.handles)} -> ` +
          `${JSON.stringify(is.handles)}; objects ${JSON.stringify(objects[end])}`,
      );
    }
    expect(traffic.wrong).toEqual([]);
    for (const end of ["relay", "client"] as const) {
      const [was, is] = [before[end], after[end]];
      expect(is.heapBytes - was.heapBytes, `heap of the ${end}`).toBeLessThan(heapNoiseBytes);
      for (const [name, count] of Object.entries(is.handles)) {
        expect(count, `${name} of the ${end}`).toBeLessThanOrEqual((was.handles[name] ?? 0) + 1);
      }
    }
    const one = { Session: 1, V1Stream: 0, WebSocketLink: 1, Exchange: 0 };
    expect(objects).toEqual({ relay: { ...one, JsonRelaySession: 0, Tunnel: 1, Inbox: 0 }, client: one });
    // Both are still the processes that were started, and they serve.
    expect([relay.child.exitCode, client.child.exitCode]).toEqual([null, null]);
  },
  totalMs + 4 * settleMs + 30_000,
);
