import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand, startRelayCommand } from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { scaled } from "./scale.js";

const opened = closingAfterEach();
const count = scaled(200, 1_000);
/** All clients come from one address here. */
const limits = {
  MCP_TUNNEL_MAX_REGISTRATIONS_PER_MINUTE: "100000",
  MCP_TUNNEL_MAX_CONNECTIONS_PER_ADDRESS: "10000",
};

interface ProbeReport {
  served: number;
  failures: number;
  medianMs: number;
  slowestMs: number;
}

/** A service and a visitor of it in a process of their own. */
async function startProbe() {
  const child = fork(fileURLToPath(new URL("probe.mjs", import.meta.url)));
  opened({ close: () => child.kill("SIGKILL") });
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    port,
    begin: (relayPort: number) => child.send({ relayPort }),
    async end(): Promise<ProbeReport> {
      const report = once(child, "message");
      child.send("stop");
      return (await report)[0] as ProbeReport;
    },
  };
}

it(`${count} clients come back at once after a restart of the relay, and do not starve it`, async () => {
  const probe = await startProbe();
  const relay = opened(await startRelayCommand([], limits));
  const probed = opened(await startClientCommand(probe.port, relay.port, ["--subdomain", "probe"]));
  const gate = opened(await startFaultProxy(relay.port));
  const options = { port: probe.port, relayUrl: `http://127.0.0.1:${gate.port}` };
  const clients: TunnelClient[] = [];
  // Fifty clients at a time, so that the start of the test is no stampede of its own.
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

  gate.refusing = true;
  relay.child.kill("SIGKILL");
  await relay.exited;
  const again = opened(
    await startRelayCommand(["--port", String(relay.port), "--startup-hold", "2s"], limits),
  );
  await probed.waitForJson({ event: "connected" }, 2);
  // The tunnel that must not suffer is back first. Then the other clients may come.
  probe.begin(again.port);
  gate.refusing = false;
  const startedAtMs = performance.now();
  await done;
  const allBackMs = performance.now() - startedAtMs;
  const { served, failures, medianMs, slowestMs } = await probe.end();
  console.info(
    `${count} clients were back ${Math.round(allBackMs)} ms after they could reach the relay, with ${attempts} attempts; ` +
      `${served} requests meanwhile, median ${Math.round(medianMs)} ms, slowest ${Math.round(slowestMs)} ms`,
  );
  expect(failures).toBe(0);
  expect(served).toBeGreaterThan(0);
  // The longest time that the relay lets a request wait for its client, on a machine that may have other
  // work.
  expect(slowestMs).toBeLessThan(15_000);
  // The pause of each client is at most as long as the restart took.
  expect(allBackMs).toBeLessThan(30_000);
  // The clients did not try too often while the relay refused them.
  expect(attempts / count).toBeLessThan(20);
  await Promise.all(clients.map((client) => client.close()));
}, 180_000);
