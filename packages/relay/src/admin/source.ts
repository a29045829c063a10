import type { ClusterState, RelayState } from "mcp-tunnel-dashboard/model";
import { addressesOf, type RelayCluster } from "../cluster/view.js";
import type { Relay } from "../relay.js";
import type { CertificateStatus } from "../tls/certificate-status.js";
import type { TunnelStatus } from "../tunnels/status.js";
import type { MetricData, Metrics } from "./metrics.js";

export type { WorkerState } from "mcp-tunnel-dashboard/model";

/** What one process knows of itself, as plain JSON. */
export interface OwnFacts {
  readonly state: Omit<RelayState, "version" | "startedAt" | "workers">;
  /** See {@link AdminSource.unreadiness}. */
  readonly unreadiness: string | undefined;
  readonly domain: string;
  readonly authMode: string;
  readonly certificates: readonly CertificateStatus[];
  /** `undefined` for a relay that is alone. */
  readonly cluster: ClusterState | undefined;
  /** The metrics. */
  readonly counts: readonly MetricData[];
}

/** All that an overview of the relay is made of. */
export interface RelayFacts extends Omit<OwnFacts, "state"> {
  readonly state: RelayState;
}

/** Tunnels, and in a cluster the relay of each and the relays that did not answer. */
export interface FoundTunnels {
  readonly tunnels: readonly (TunnelStatus & { readonly relay?: string })[];
  readonly silent?: readonly string[];
}

/** `relays`: those that had the tunnel. For a relay that is alone both lists are missing. */
export interface Disconnected {
  readonly found: boolean;
  readonly relays?: readonly string[];
  readonly silent?: readonly string[];
}

/** What the operator's listener shows and does. What other processes know comes later. */
export interface AdminSource {
  state(): RelayState | Promise<RelayState>;
  /** Why no visitor should be sent here, in words for the operator; `undefined` for a relay that is ready. */
  unreadiness(): string | undefined | Promise<string | undefined>;
  facts(): Promise<RelayFacts>;
  /** `scope`: the tunnels of the whole cluster, or of this relay. */
  tunnels(scope: "all" | "local"): FoundTunnels | Promise<FoundTunnels>;
  disconnect(name: string): Disconnected | Promise<Disconnected>;
  /** Has the relay read its files again. Resolves when it has. */
  reload(): Promise<void>;
  /** In Prometheus' text format. */
  metrics(): Promise<string>;
  readonly metricsType: string;
  close(): void;
}

/** The relay of this process. `version` is shown in the status. */
export function relaySource(relay: Relay, metrics: Metrics, version: string): AdminSource {
  const startedAt = Date.now();
  const { cluster } = relay;
  return {
    state: () => ({ version, startedAt, ...ownState(relay) }),
    async facts() {
      const { state, ...facts } = await ownFacts(relay, metrics);
      return { ...facts, state: { version, startedAt, ...state } };
    },
    unreadiness: () => unreadinessOf(relay),
    tunnels(scope) {
      if (cluster === undefined) return { tunnels: relay.tunnels() };
      return scope === "all" ? cluster.tunnels() : { tunnels: ownTunnels(relay), silent: [] };
    },
    async disconnect(name) {
      if (cluster === undefined) return { found: relay.disconnect(name) };
      const { relays, silent } = await cluster.disconnect(name);
      return { found: relays.length > 0, relays, silent };
    },
    reload: () => relay.reload(),
    metrics: () => metrics.text(relay),
    metricsType: metrics.contentType,
    close: () => metrics.close(),
  };
}

export function ownState(relay: Relay): OwnFacts["state"] {
  const { cluster } = relay;
  return {
    ...(cluster === undefined ? {} : { node: cluster.node, addresses: addressesOf(cluster) }),
    draining: relay.draining,
    stale: relay.stale,
    localPorts: Object.fromEntries(relay.localPorts),
  };
}

export async function ownFacts(relay: Relay, metrics: Metrics): Promise<OwnFacts> {
  return {
    state: ownState(relay),
    unreadiness: unreadinessOf(relay),
    domain: relay.domain,
    authMode: relay.authMode,
    certificates: relay.certificates,
    cluster: relay.cluster && clusterState(relay.cluster),
    counts: await metrics.data(relay),
  };
}

function clusterState(cluster: RelayCluster): ClusterState {
  const relays = Array.from(cluster.relays(), ({ node, address, isLinked }) =>
    isLinked ? { node, address } : { node, address, silent: true as const },
  );
  return { node: cluster.node, ready: cluster.isReady, relays };
}

/** The tunnels of a relay that is one of several, each with the relay's id. */
export function ownTunnels(relay: Relay): (TunnelStatus & { relay?: string })[] {
  const { cluster } = relay;
  return relay.tunnels().map((row) => (cluster === undefined ? row : { ...row, relay: cluster.node }));
}

/**
 * A relay with stale tokens lets revoked tokens in and new ones not. So it is not ready, just as a relay does
 * not start with such a file. A relay with a stale certificate still serves with it. A relay that is not in
 * its cluster serves its own tunnels alone, and visitors of all others get errors from it.
 */
export function unreadinessOf({
  draining,
  stale,
  cluster,
}: Pick<Relay, "draining" | "stale" | "cluster">): string | undefined {
  if (draining) return "draining";
  if (stale.some(({ kind }) => kind === "tokens")) return "tokens are stale";
  return cluster?.isReady === false ? "not in the cluster" : undefined;
}
