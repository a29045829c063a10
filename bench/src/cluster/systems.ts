import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "../child.js";
import { here, mcpTunnel, startClient, startClients, startRelay } from "../systems/mcp-tunnel.js";
import { tunnelHosts, type System } from "../systems/system.js";
import { directName, type Pair, SharedPair, splicedName } from "./pair.js";

/** One relay that is alone: all others are compared with it. */
export const one: System = { ...mcpTunnel, name: "one" };

const pair = new SharedPair();

/** A way through the pair. `end`: the process whose port visitors use. */
function way(
  name: string,
  host: string,
  end: "owner" | "other",
  processesOf: (pair: Pair) => readonly Child[],
): System {
  return {
    name,
    programs: ["redis-server"],
    async start(upstreamPort, folder) {
      const started = await pair.get(upstreamPort, folder);
      const processes = [...processesOf(started), started.redis.child];
      return { port: started[end].port, host: `${host}.localhost`, processes };
    },
  };
}

/** Under a name that says what the process does here. */
function as(name: string, child: Child): Child {
  return { ...child, name };
}

/** Visitors come to the relay that has the tunnel. */
const owner = way("owner", directName, "owner", ({ owner: relay, client }) => [relay.child, client]);

/** Visitors come to the other relay. */
const hop = way("hop", directName, "other", ({ owner: relay, other, client }) => [
  ...[relay.child, other.child, client],
]);

/** The client has come back to the other relay, which passes its messages on. Visitors come to the owner. */
const spliced = way("spliced", splicedName, "owner", ({ owner: relay, other, spliced: client }) => [
  ...[relay.child, as("splicer", other.child), client],
]);

/** The same, and visitors come to that other relay as well: each byte takes its link twice. */
const hopSpliced = way("hop+spliced", splicedName, "other", ({ owner: relay, other, spliced: client }) => [
  ...[relay.child, as("front+splicer", other.child), client],
]);

/** How many workers the relay of several processes has: as many as there are cores here. */
export const workerCount = 2;

/** What the names of the workers' processes begin with. */
export const workerName = "worker ";

async function startWorkers(folder: string): Promise<{ port: number; servers: Child[] }> {
  const relay = await startRelay(folder, { name: "primary", args: ["--workers", workerCount] });
  return { port: relay.port, servers: [relay.child, ...(await childrenOf(relay.child, workerCount))] };
}

/** One relay of several processes. */
export const workers: System = {
  name: `workers-${workerCount}`,
  programs: [],
  async start(upstreamPort, folder) {
    const { port, servers } = await startWorkers(folder);
    const client = startClient(port, upstreamPort, folder);
    const processes = [...servers, client];
    return { port, host: `${directName}.localhost`, processes, servers: servers.length };
  },
  async startMany(upstreamPort, folder, count) {
    const { port, servers } = await startWorkers(folder);
    const processes = [...servers, ...startClients(port, upstreamPort, folder, count)];
    return { port, host: "t1.localhost", hosts: tunnelHosts(count), processes, servers: servers.length };
  },
};

/** The processes that a process has started, which end with it. */
async function childrenOf(parent: Child, count: number): Promise<Child[]> {
  for (;;) {
    const pids = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, "latin1").match(/\d+/g);
    if (pids?.length === count) {
      return pids.map((pid, i) => ({ ...parent, name: `${workerName}${i + 1}`, pid: Number(pid) }));
    }
    await Promise.race([delay(50), parent.failed]);
  }
}

/**
 * The systems of the cluster's rows. `relayHelp`: what the relay says of its options. `absent`: why others
 * are left out.
 */
export function clusterSystems(
  against: System | undefined,
  hasRedis: boolean,
  relayHelp: string,
): { present: System[]; absent: string[] } {
  const present = [one];
  const absent: string[] = [];
  if (against !== undefined) present.push(against);
  if (hasRedis) present.push(owner, hop, spliced, hopSpliced);
  else absent.push("redis-server is not there (on Debian in redis-server): one relay alone takes part");
  if (/^\s*--workers\b/m.test(relayHelp)) present.push(workers);
  else absent.push(`${here.relay.split("/").at(-1)} has no --workers: no row of it`);
  return { present, absent };
}
