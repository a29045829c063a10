import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "../child.js";
import { openTunnels, type Tunnels } from "../load/tunnels.js";
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
    limitSeconds: 240,
    metrics: {
      relay: { unit: "KB a tunnel", better: "lower" },
      client: { unit: "KB a tunnel", better: "lower" },
      cpu: { unit: "% of a core, relay", better: "lower" },
    },
    async run(_endpoint, { folder }) {
      // The memory that any relay and any client needs does not count as a tunnel's.
      const pairs = await Promise.all([1, count].map((tunnels) => openPair(tunnels, folder)));
      try {
        await settle();
        const [one, many] = pairs.map(memoryOf) as [Memory, Memory];
        const relay = pairs[1]?.relay as Child;
        const cpuBefore = cpuSeconds(relay.pid);
        await delay(idleMs);
        const cpu = cpuSeconds(relay.pid) - cpuBefore;
        return {
          values: {
            relay: (many.relay - one.relay) / (count - 1) / 1_000,
            client: (many.client - one.client) / (count - 1) / 1_000,
            cpu: (cpu * 100_000) / idleMs,
          },
        };
      } finally {
        await Promise.all(pairs.flatMap(({ relay, tunnels }) => [relay.stop(), tunnels.stop()]));
      }
    },
  };
}

interface Memory {
  readonly relay: number;
  readonly client: number;
}

interface Pair {
  readonly relay: Child;
  readonly tunnels: Tunnels;
}

/** A relay and a process with so many tunnels on it. */
async function openPair(count: number, folder: string): Promise<Pair> {
  const { port, child: relay } = await startRelay(folder);
  try {
    return { relay, tunnels: await openTunnels(port, port, count) };
  } catch (error) {
    await relay.stop();
    throw error;
  }
}

function memoryOf({ relay, tunnels }: Pair): Memory {
  return { relay: residentBytes(relay.pid), client: residentBytes(tunnels.pid) };
}

/** Longer than a ping interval, so that the time holds some pings. */
const idleMs = 20_000;

/** Registering leaves garbage behind: V8 gets some time to collect it. */
function settle(): Promise<void> {
  return delay(45_000);
}

export const idleWorkloads: readonly Workload[] = [idleTunnels(1_000, true), idleTunnels(5_000, false)];
