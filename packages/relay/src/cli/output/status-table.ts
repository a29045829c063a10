import { formatBytes } from "mcp-tunnel-shared";
import { wrapped } from "mcp-tunnel-shared/command";
import type { WorkerState } from "../../admin/source.js";
import type { StaleSource } from "../../files/staleness.js";
import type { TunnelStatus } from "../../tunnels/status.js";
import { gateText } from "../../tunnels/gate.js";
import { type Column, fittedTable, leftOutText } from "./fitted-table.js";
import { relayNames } from "./relay-names.js";

/** What a narrow terminal goes without, first to last. */
const dispensable = ["VERSION", "IN", "OUT", "RTT", "GATE", "OPEN", "REQUESTS"];

type ShownTunnel = TunnelStatus & { relay?: string };

/** The answer of the admin API to `/api/tunnels`. */
export interface RelayStatus {
  relay: RelayState;
  tunnels: readonly ShownTunnel[];
  /** In a cluster: the relays that did not answer. */
  silent?: readonly string[];
}

/** The state of the relay itself, as this command or an older relay knows it. */
interface RelayState {
  version: string;
  /** The relay's id, if it is in a cluster. */
  node?: string;
  /** Where the relays of its cluster reach one another. Not there in the answer of an older relay. */
  addresses?: Readonly<Record<string, string>>;
  startedAt: number;
  draining: boolean;
  /** Not there in the answer of an older relay. */
  stale?: readonly StaleSource[];
  /** Not there in the answer of an older relay. */
  localPorts?: Readonly<Record<string, number>>;
  /** Only there for a relay of several processes. */
  workers?: readonly WorkerState[];
}

/** The warning about a relay of the cluster that did not answer. `relay`: its name for a person. */
export function silentLine(relay: string): string {
  return `warning: relay ${relay} did not answer, and may have tunnels that are not shown or closed`;
}

/**
 * The status of a relay, or of its cluster, as lines for a person. `now` is in milliseconds since 1970.
 * `width`: characters in a line of the terminal. For it columns are left out and cells are cut, and relays
 * have short names. Default: there is no end of a line, and nothing is left out.
 */
export function statusTable(
  { relay, tunnels, silent = [] }: RelayStatus,
  now: number,
  width = Number.POSITIVE_INFINITY,
): string[] {
  const { workers = [] } = relay;
  const isCluster = relay.node !== undefined || workers.length > 0;
  const nameOf = relayNames(relay, width === Number.POSITIVE_INFINITY);
  const state = relay.draining ? ", shutting down" : "";
  const count = tunnels.length === 1 ? "1 tunnel" : `${tunnels.length} tunnels`;
  const own = relay.node === undefined ? "" : ` (relay ${nameOf(relay.node)})`;
  const texts = [
    `mcp-tunnel ${relay.version}${own}, up ${period(now - relay.startedAt)}${state}${crew(workers)}: ${count}`,
    ...(relay.stale ?? []).map(
      ({ kind, name, problem, since }) => `stale for ${period(now - since)}: ${kind} (${name}): ${problem}`,
    ),
    ...silent.map((node) => silentLine(nameOf(node))),
    ...Object.entries(relay.localPorts ?? {}).map(
      ([name, port]) => `${name} is at http://localhost:${port}, on the relay's machine`,
    ),
  ];
  const lines = texts.flatMap((text) => wrapped(text, width));
  if (tunnels.length === 0) return lines;
  const sorted = tunnels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const columns = columnsOf(sorted, now, isCluster ? nameOf : undefined);
  const shown = fittedTable(columns, dispensable, width);
  const leftOut = leftOutText(shown);
  return [...lines, "", ...shown.lines, ...(leftOut === undefined ? [] : ["", ...wrapped(leftOut, width)])];
}

/** `nameOf`: a name for each relay of the cluster; undefined: there is only one. */
function columnsOf(
  tunnels: readonly ShownTunnel[],
  now: number,
  nameOf: ((node: string) => string) | undefined,
): Column[] {
  const column = (
    title: string,
    cellOf: (tunnel: ShownTunnel) => string,
    cut?: NonNullable<Column["cut"]>,
  ): Column => ({ title, cells: tunnels.map(cellOf), ...(cut === undefined ? {} : { cut }) });
  const placeOf = ({ relay }: ShownTunnel): string =>
    relay === undefined ? "-" : (nameOf?.(relay) ?? relay);
  const hasTokens = tunnels.some(({ token }) => token !== undefined);
  const hasNotes = tunnels.some(({ note }) => note !== undefined);
  return [
    column("NAME", ({ name }) => name, { well: 20, least: 16, leaves: "both ends" }),
    ...(nameOf === undefined ? [] : [column("RELAY", placeOf, { well: 12, least: 7, leaves: "both ends" })]),
    column("SINCE", ({ since }) => period(now - since)),
    column("CLIENT", ({ address }) => address, { well: 15, least: 10, leaves: "both ends" }),
    column("VERSION", ({ client }) => (client === undefined ? "-" : `${client.name} ${client.version}`)),
    // The answer of an older relay does not tell.
    column("GATE", ({ gate }) => gateText(gate) ?? "-"),
    column("RTT", ({ rttMs }) => (rttMs === undefined ? "-" : `${rttMs.toFixed(rttMs < 10 ? 1 : 0)} ms`)),
    column("REQUESTS", ({ requests }) => String(requests)),
    column("IN", ({ requestBytes }) => formatBytes(requestBytes)),
    column("OUT", ({ responseBytes }) => formatBytes(responseBytes)),
    column("OPEN", ({ streams }) => String(streams)),
    column("STATE", ({ state }) => state),
    ...(hasTokens ? [column("TOKEN", ({ token }) => token ?? "-", idCut)] : []),
    ...(hasNotes
      ? [column("NOTE", ({ note }) => note ?? "-", { well: 16, least: 9, leaves: "the beginning" })]
      : []),
  ];
}

/** `mcp-tunnel token` takes the beginning of an id. */
const idCut = { well: 8, least: 8, leaves: "the beginning of an id" } as const;

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
