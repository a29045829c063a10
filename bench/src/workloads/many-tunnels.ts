import { wrk } from "../load/wrk.js";
import { smallPath } from "../upstreams/static.js";
import type { Workload } from "../workload.js";
import { smallMetrics, smallSample } from "./small.js";

const connections = 64;

/** Small requests to tunnels at random: each tunnel is seldom in use, and all of them are. */
export function manyTunnels(count: number, quick: boolean): Workload {
  return {
    name: `many-${count}`,
    title: `GET 1 KiB, ${connections} connections over ${count.toLocaleString("en")} tunnels at random`,
    upstream: "static",
    setup: count,
    quick,
    operation: "request",
    metrics: smallMetrics,
    async run(endpoint, { seconds, folder, measured }) {
      const request = { path: smallPath, hosts: endpoint.hosts };
      return smallSample(await measured(() => wrk(endpoint, request, connections, seconds, folder)));
    },
  };
}

export const manyTunnelsWorkloads: readonly Workload[] = [manyTunnels(200, false), manyTunnels(1_000, true)];
