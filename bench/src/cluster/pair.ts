import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Child } from "../child.js";
import { untilServing } from "../endpoint.js";
import { startClient, startRelay, type RunningRelay } from "../systems/mcp-tunnel.js";
import { smallPath } from "../upstreams/static.js";
import { untilMetric } from "./metric.js";
import { startRedis, type Redis } from "./redis.js";
import { startSwitchboard } from "./switchboard.js";

/** The names of the two tunnels, both of which the relay `owner` has. */
export const directName = "bench";
export const splicedName = "spliced";

/** Two relays of one cluster. */
export interface Pair {
  readonly redis: Redis;
  readonly owner: RunningRelay;
  readonly other: RunningRelay;
  /** The client of {@link directName}, whose link is with the owner. */
  readonly client: Child;
  /**
   * The client of {@link splicedName}, whose link is with the other relay, and its session with the owner.
   */
  readonly spliced: Child;
}

/**
 * Starts them. One client connects to its relay through a port that is cut then, and where the other relay
 * listens from now on. So it comes back there, and its session stays where it is.
 */
export async function startPair(upstreamPort: number, folder: string): Promise<Pair> {
  const redis = await startRedis(folder);
  const secret = join(folder, "cluster-secret");
  writeFileSync(secret, randomBytes(32).toString("base64"), { mode: 0o600 });
  const args = ["--cluster", redis.url, "--cluster-secret-file", secret, "--peer-listen", "127.0.0.1:0"];
  const owner = await startRelay(folder, { name: "owner", args });
  const switchboard = await startSwitchboard(owner.port);
  const client = startClient(owner.port, upstreamPort, folder, { subdomain: directName });
  const spliced = startClient(switchboard.port, upstreamPort, folder, { subdomain: splicedName });
  const processes = [redis.child, owner.child, client, spliced];
  const probe = { path: smallPath, status: 200 };
  for (const name of [directName, splicedName]) {
    await untilServing({ port: owner.port, host: `${name}.localhost`, processes }, probe);
  }
  await switchboard.cut();
  const other = await startRelay(folder, { name: "front", port: switchboard.port, args });
  await untilMetric(other, 'mcp_tunnel_cluster_splices{direction="out"}', 1);
  return { redis, owner, other, client, spliced };
}

/** The pair that several systems are ways through: with the same processes, they differ by the way alone. */
export class SharedPair {
  #pair: Pair | undefined;

  /** Starts it when it is first asked for, and anew once it was stopped. */
  async get(upstreamPort: number, folder: string): Promise<Pair> {
    if (this.#pair?.owner.child.isRunning() !== true) this.#pair = await startPair(upstreamPort, folder);
    return this.#pair;
  }
}
