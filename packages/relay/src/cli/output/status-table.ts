import { formatBytes, printable } from "mcp-tunnel-shared";
import { fittingTable } from "mcp-tunnel-shared/command";
import type { WorkerState } from "../../admin/source.js";
import type { StaleSource } from "../../files/staleness.js";
import type { TunnelStatus } from "../../tunnels/status.js";
import { gateText } from "../../tunnels/gate.js";

/** What a narrow terminal goes without, first to last. */
const dispensable = ["VERSION", "IN", "OUT", "RTT", "GATE"];

const head = ["NAME", "SINCE", "CLIENT", "VERSION", "GATE", "RTT", "REQUESTS", "IN", "OUT", "OPEN", "STATE"];

/** The answer of the admin API to `/api/tunnels`. */
export interface RelayStatus {
  relay: RelayState;
  tunnels: readonly (TunnelStatus & { relay?: string })[];
  /** In a cluster: the relays that did not answer. */
  silent?: readonly string[];
}

/** The state of the relay itself, as this command or an older relay knows it. */
interface RelayState {
  version: string;
  /** The relay's id, if it is in a cluster. */
  node?: string;
  startedAt: number;
  draining: boolean;
  /** Not there in the answer of an older relay. */
  stale?: readonly StaleSource[];
  /** Not there in the answer of an older relay. */
  localPorts?: Readonly<Record<string, number>>;
  /** Only there for a relay of several processes. */
  workers?: readonly WorkerState[];
}

/** The warning about a relay of the cluster that did not answer. */
export function silentLine(relay: string): string {
  return `warning: relay ${printable(relay)} did not answer, and may have tunnels that are not shown or closed`;
}

/**
 * The status of a relay, or of its cluster, as lines for a person. `now` is in milliseconds since 1970.
 * `width`: characters in a line of the terminal. Columns are left out for it.
 */
export function statusTable(
  { relay, tunnels, silent = [] }: RelayStatus,
  now: number,
  width = Number.POSITIVE_INFINITY,
): string[] {
  const { workers = [] } = relay;
  const isCluster = relay.node !== undefined || workers.length > 0;
  const placeOf = (node: string | undefined): string => {
    const known = workers.find((one) => one.node === node && node !== undefined);
    return known === undefined ? (node ?? "-") : `worker ${known.worker}`;
  };
  const rows = tunnels
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((tunnel) => [
      tunnel.name,
      ...(isCluster ? [placeOf(tunnel.relay)] : []),
      period(now - tunnel.since),
      tunnel.address,
      tunnel.client === undefined ? "-" : `${tunnel.client.name} ${tunnel.client.version}`,
      // The answer of an older relay does not tell.
      gateText(tunnel.gate) ?? "-",
      tunnel.rttMs === undefined ? "-" : `${tunnel.rttMs.toFixed(tunnel.rttMs < 10 ? 1 : 0)} ms`,
      String(tunnel.requests),
      formatBytes(tunnel.requestBytes),
      formatBytes(tunnel.responseBytes),
      String(tunnel.streams),
      tunnel.state,
    ]);
  const state = relay.draining ? ", shutting down" : "";
  const count = tunnels.length === 1 ? "1 tunnel" : `${tunnels.length} tunnels`;
  const own = relay.node === undefined ? "" : ` (relay ${printable(relay.node)})`;
  const title = `mcp-tunnel ${printable(relay.version)}${own}, up ${period(now - relay.startedAt)}${state}${crew(workers)}: ${count}`;
  const stale = (relay.stale ?? []).map(
    ({ kind, name, problem, since }) =>
      `stale for ${period(now - since)}: ${kind} (${printable(name)}): ${printable(problem)}`,
  );
  const localPorts = Object.entries(relay.localPorts ?? {}).map(
    ([name, port]) => `${printable(name)} is at http://localhost:${port}, on the relay's machine`,
  );
  const columns = isCluster ? head.toSpliced(1, 0, "RELAY") : head;
  const shown = rows.length === 0 ? [] : ["", ...fittingTable(columns, rows, { width, dispensable })];
  return [title, ...stale, ...silent.map((node) => silentLine(placeOf(node))), ...localPorts, ...shown];
}

/** `, 4 workers (1 not ready)`, or nothing for a relay of one process. */
function crew(workers: readonly WorkerState[]): string {
  if (workers.length === 0) return "";
  const missing = workers.filter(({ ready }) => !ready).length;
  return `, ${workers.length} workers${missing === 0 ? "" : ` (${missing} not ready)`}`;
}

/** The two largest units: `3d 4h`, `12m 5s`. */
function period(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  const parts: [number, string][] = [
    [Math.floor(s / 86_400), "d"],
    [Math.floor(s / 3_600) % 24, "h"],
    [Math.floor(s / 60) % 60, "m"],
    [s % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0s";
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}
