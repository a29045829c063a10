import { setTimeout as delay } from "node:timers/promises";
import { openTunnels } from "../load/tunnels.js";
import { smallPath } from "../upstreams/static.js";
import type { Workload } from "../workload.js";
import { bulkWorkloads, downloadOf } from "../workloads/bulk.js";
import { manyTunnels } from "../workloads/many-tunnels.js";
import { small, smallWorkloads } from "../workloads/small.js";
import { askForNobody } from "./strangers.js";
import { withShares } from "./shares.js";
import { one, workers } from "./systems.js";

/** Those of the table that say something here too. */
function usual(...names: readonly string[]): Workload[] {
  return [...smallWorkloads, ...bulkWorkloads].filter(({ name }) => names.includes(name));
}

/** A connection for each request: what it costs to take one. */
const connect = small(
  "connect-64",
  "GET 1 KiB, 64 at once, each on a connection of its own",
  64,
  { path: smallPath, headers: { Connection: "close" } },
  {},
);

/** Names in no relay's memory. Each is a look-up in the engine, and an answer without a tunnel. */
const nobody: Workload = {
  name: "nobody-16",
  title: "names that nobody has, 16 connections",
  upstream: "static",
  systems: [one.name, "against", "owner", workers.name],
  operation: "request",
  metrics: {},
  async run(endpoint, { seconds }) {
    return { values: {}, operations: await askForNobody(endpoint, 16, seconds) };
  },
};

/** Tunnels of one cycle. */
const tunnels = 200;
let opened = 0;

/** What a client costs that comes: the handshake, the claim, the session. Each has a new name. */
const register: Workload = {
  name: `register-${tunnels}`,
  title: `${tunnels} clients register`,
  upstream: "static",
  systems: [one.name, "against", "owner", workers.name],
  operation: "client",
  metrics: {},
  limitSeconds: 120,
  async run({ port }, { measured }) {
    const first = opened + 1;
    opened += tunnels;
    const process = await measured(() => openTunnels(port, port, tunnels, first));
    await process.stop();
    return { values: {}, operations: tunnels };
  },
};

const idleSeconds = 10;

/** What is spent while nobody comes: leases, comparisons, pings. */
const idle: Workload = {
  name: "idle",
  title: "nothing at all",
  upstream: "static",
  systems: [one.name, "against", "hop", workers.name],
  operation: "second",
  metrics: {},
  async run() {
    await delay(idleSeconds * 1_000);
    return { values: {}, operations: idleSeconds };
  },
};

/** With more tunnels than one, all workers have tunnels as well as visitors. */
const many = withShares({ ...manyTunnels(64, false), systems: [one.name, "against", workers.name] });

/** The rows of the cluster, in the order of the report. */
export const clusterWorkloads: readonly Workload[] = [
  ...usual("get-64", "get-1", "post-64"),
  connect,
  many,
  downloadOf("1m", 8),
  ...usual("download-8", "upload-8"),
  nobody,
  // Idle ones first: the names of clients that have just gone keep a relay busy.
  idle,
  register,
];

/** The name of the engine's calls, which are no load on a system. */
export const engineRow = "engine";

/** All that `--only` may name. */
export const clusterRows: readonly string[] = [...clusterWorkloads.map(({ name }) => name), engineRow];
