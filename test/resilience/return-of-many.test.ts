import { setTimeout as delay } from "node:timers/promises";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startRelayCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { scaled } from "./scale.js";

const opened = closingAfterEach();
const count = scaled(200, 1_000);
/** All of them have one address here. */
const limits = {
  MCP_TUNNEL_MAX_REGISTRATIONS_PER_MINUTE: "100000",
  MCP_TUNNEL_MAX_CONNECTIONS_PER_ADDRESS: "10000",
};

it(`${count} clients come back at once after a restart of the relay, and do not starve it`, async () => {
  const upstream = opened(await startUpstream());
  const relay = opened(await startRelayCommand([], limits));
  const options = { port: upstream.port, relayUrl: `http://127.0.0.1:${relay.port}` };
  const clients: TunnelClient[] = [];
  opened({ close: () => Promise.all(clients.map((client) => client.close())) });
  // Fifty at a time, so that the start of the test is no stampede of its own.
  for (let i = 0; i < count; i += 50) {
    const some = Array.from({ length: Math.min(50, count - i) }, (_, j) =>
      startTunnelClient({ ...options, subdomain: `client-${i + j}` }),
    );
    clients.push(...(await Promise.all(some)));
  }
  let attempts = 0;
  let back = 0;
  let allBack: () => void;
  const done = new Promise<void>((resolve) => (allBack = resolve));
  for (const client of clients) {
    client.on("reconnecting", () => void (attempts += 1));
    client.on("connected", () => {
      back += 1;
      if (back === count) allBack();
    });
  }

  relay.child.kill("SIGKILL");
  await relay.exited;
  const again = opened(
    await startRelayCommand(["--port", String(relay.port), "--startup-hold", "2s"], limits),
  );
  const startedAtMs = performance.now();
  // Meanwhile visitors ask for tunnels that are back.
  const visitor = opened(createVisitor(again.port));
  const latenciesMs: number[] = [];
  const isOver = { value: false };
  const visits = (async () => {
    while (!isOver.value) {
      const client = clients.find(({ state }) => state === "online");
      if (client !== undefined) {
        const askedAtMs = performance.now();
        expect((await visitor.text(client.subdomain as string, "/status/200")).status).toBe(200);
        latenciesMs.push(performance.now() - askedAtMs);
      }
      await delay(10);
    }
  })();
  await done;
  const allBackMs = performance.now() - startedAtMs;
  isOver.value = true;
  await visits;
  const slowestMs = Math.max(...latenciesMs);
  console.info(
    `${count} clients were back ${Math.round(allBackMs)} ms after the relay listened, with ${attempts} attempts; ` +
      `${latenciesMs.length} requests meanwhile, the slowest ${Math.round(slowestMs)} ms`,
  );
  expect(latenciesMs.length).toBeGreaterThan(0);
  expect(slowestMs).toBeLessThan(5_000);
  // The longest pause that a client can have come to in the second or so that the restart takes, and a slow machine.
  expect(allBackMs).toBeLessThan(20_000);
  // Nobody hammered at the closed door.
  expect(attempts / count).toBeLessThan(12);
}, 120_000);
