import { addressesOf } from "../cluster/view.js";
import type { StaleSource } from "../files/staleness.js";
import type { Relay } from "../relay.js";
import type { TunnelStatus } from "../tunnels/status.js";
import type { Metrics } from "./metrics.js";

/** One of several processes that serve as one relay. */
export interface WorkerState {
  /** From 1. A process that takes the place of another has the same number. */
  readonly worker: number;
  readonly pid: number | undefined;
  /** Its id as a relay, which the tunnels name. */
  readonly node: string | undefined;
  readonly ready: boolean;
}

/** The relay itself, as the status shows it. */
export interface RelayState {
  readonly version: string;
  /** The relay's id, if it is one of several. */
  readonly node?: string;
  /** Where the relays of its cluster reach one another, by their ids. */
  readonly addresses?: Readonly<Record<string, string>>;
  /** In milliseconds since 1970. */
  readonly startedAt: number;
  readonly draining: boolean;
  readonly stale: readonly StaleSource[];
  readonly localPorts: Readonly<Record<string, number>>;
  /** The processes of a relay that has several. */
  readonly workers?: readonly WorkerState[];
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
  /** `scope`: the tunnels of the whole cluster, or of this relay. */
  tunnels(scope: "all" | "local"): FoundTunnels | Promise<FoundTunnels>;
  disconnect(name: string): Disconnected | Promise<Disconnected>;
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
    state: () => ({
      version,
      ...(cluster === undefined ? {} : { node: cluster.node, addresses: addressesOf(cluster) }),
      startedAt,
      draining: relay.draining,
      stale: relay.stale,
      localPorts: Object.fromEntries(relay.localPorts),
    }),
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
    metrics: () => metrics.text(relay),
    metricsType: metrics.contentType,
    close: () => metrics.close(),
  };
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
