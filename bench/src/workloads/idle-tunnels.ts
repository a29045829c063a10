import { setTimeout as delay } from "node:timers/promises";
import { openTunnels } from "../load/tunnels.js";
import { cpuSeconds, residentBytes } from "../proc.js";
import { startRelay } from "../systems/mcp-tunnel.js";
import type { Workload } from "../workload.js";

/** The cost of a tunnel that nobody visits. */
function idleTunnels(count: number, onlyByName: boolean): Workload {
  return {
    name: `idle-${count}`,
    title: `${count.toLocaleString("en")} idle tunnels`,
    upstream: "static",
    systems: ["mcp-tunnel"],
    onlyByName,
    maxRounds: 1,
    limitSeconds: 300,
    metrics: {
      relay: { unit: "KB a tunnel", better: "lower" },
      client: { unit: "KB a tunnel", better: "lower" },
      cpu: { unit: "% of a core, relay", better: "lower" },
    },
    async run(_endpoint, { folder }) {
      const relay = await startRelay(folder);
      // One tunnel first: the memory that any relay and any client need does not count as a tunnel's.
      const one = await openTunnels(relay.port, relay.port, 1);
      await settle();
      const before = { relay: residentBytes(relay.child.pid), client: residentBytes(one.pid) };
      await one.stop();
      const many = await openTunnels(relay.port, relay.port, count);
      try {
        await settle();
        const after = { relay: residentBytes(relay.child.pid), client: residentBytes(many.pid) };
        const cpuBefore = cpuSeconds(relay.child.pid);
        await delay(idleMs);
        const cpu = cpuSeconds(relay.child.pid) - cpuBefore;
        return {
          values: {
            relay: (after.relay - before.relay) / count / 1_000,
            client: (after.client - before.client) / count / 1_000,
            cpu: (cpu * 100_000) / idleMs,
          },
        };
      } finally {
        await many.stop();
        await relay.child.stop();
      }
    },
  };
}

/** Longer than a ping interval, so that the time holds some pings. */
const idleMs = 20_000;

/** Registering leaves garbage behind: V8 gets some time to collect it. */
function settle(): Promise<void> {
  return delay(45_000);
}

export const idleWorkloads: readonly Workload[] = [idleTunnels(1_000, true), idleTunnels(5_000, false)];
