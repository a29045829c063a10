import { type Aggregator, Gauge, type Registry } from "prom-client";
import type { RelayCluster } from "../cluster/view.js";

/** What the metrics need of a cluster. */
export type ClusterSource = Pick<RelayCluster, "isReady" | "status">;

/**
 * Makes the gauges of a relay in a cluster, and returns a function that sets them. A relay that is alone has
 * the names and no values.
 */
export function clusterGauges(registry: Registry): (cluster: ClusterSource | undefined) => void {
  // Relays of one machine that are shown as one are ready when each is.
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    aggregator: Aggregator = "sum",
  ): Gauge =>
    new Gauge({ name: `mcp_tunnel_cluster_${name}`, help, labelNames, registers: [registry], aggregator });
  const ready = gauge(
    "ready",
    "1 while the other relays can count on this one: it has its lease, or no relay has the engine.",
    [],
    "min",
  );
  const nodes = gauge("nodes", "Relays of the cluster that are alive, this one among them.", [], "max");
  const peers = gauge("peers", "Other relays of the cluster to which this one has a link.", [], "min");
  const requests = gauge(
    "requests",
    "Requests that are open between relays: brought here by others (in), or taken to others (out).",
    ["direction"],
  );
  const splices = gauge(
    "splices",
    "Clients whose messages go from relay to relay: to sessions of this one (in), or of others (out).",
    ["direction"],
  );
  return (cluster) => {
    if (cluster === undefined) {
      for (const one of [ready, nodes, peers]) one.remove();
      return;
    }
    const status = cluster.status();
    ready.set(cluster.isReady ? 1 : 0);
    nodes.set(status.nodes);
    peers.set(status.peers);
    requests.set({ direction: "in" }, status.requestsIn);
    requests.set({ direction: "out" }, status.requestsOut);
    splices.set({ direction: "in" }, status.splicesIn);
    splices.set({ direction: "out" }, status.splicesOut);
  };
}
