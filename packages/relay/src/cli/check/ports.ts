import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { isLocalhost, isLoopback } from "mcp-tunnel-shared";
import type { CliOptions } from "../options/options.js";
import type { OptionProblem } from "../options/problems.js";

/** The capability by its number (capabilities(7)). */
const netBindService = 10;

/** Ports at which the relay is to listen. */
interface Listener {
  /** The option's long name. */
  readonly option: string;
  /** Undefined: all addresses. */
  readonly host: string | undefined;
  readonly from: number;
  /** The last port, where there is one for each of several processes. */
  readonly to: number;
}

/** Ports that two listeners want, and ports that this user may not have. Nothing listens. */
export function portProblems(
  command: Command,
  localPorts: Readonly<Record<string, number>>,
  workers: number,
): OptionProblem[] {
  const listeners = listenersOf(command, localPorts, workers);
  return [...twice(listeners), ...tooLow(listeners)];
}

function listenersOf(
  command: Command,
  localPorts: Readonly<Record<string, number>>,
  workers: number,
): Listener[] {
  const { host, port, httpRedirect, adminListen, peerListen, cluster } = command.opts<CliOptions>();
  const at = (option: string, address: string | undefined, from: number, count = 1): Listener => ({
    ...{ option, host: address, from, to: from === 0 ? 0 : from + count - 1 },
  });
  return [
    // A service manager has opened the sockets for visitors, whatever the port is.
    ...(hasSockets() ? [] : [at("port", host, port)]),
    ...(hasSockets() || httpRedirect === undefined ? [] : [at("http-redirect", host, httpRedirect)]),
    ...(adminListen === undefined ? [] : [at("admin-listen", adminListen.host, adminListen.port)]),
    ...(peerListen === undefined || cluster === undefined
      ? []
      : [at("peer-listen", peerListen.host, peerListen.port, workers)]),
    ...Object.values(localPorts).map((local) => at("local-port", "localhost", local)),
  ].filter(({ from }) => from !== 0);
}

/** Only looks: whoever takes the sockets takes the variables away too. */
function hasSockets(): boolean {
  return Number(process.env["LISTEN_FDS"] ?? 0) > 0 && Number(process.env["LISTEN_PID"]) === process.pid;
}

function twice(listeners: readonly Listener[]): OptionProblem[] {
  return listeners.flatMap((one, i) =>
    listeners
      .slice(i + 1)
      // Two local ports of one number are told by their names.
      .filter((other) => one.option !== other.option && collide(one, other))
      .map((other): OptionProblem => {
        const port = Math.max(one.from, other.from);
        return {
          verdict: "failed",
          reason: `--${one.option} and --${other.option} both want port ${port}`,
          advice: "Give one of them another port.",
          options: [one.option, other.option],
        };
      }),
  );
}

function collide(one: Listener, other: Listener): boolean {
  return one.from <= other.to && other.from <= one.to && overlap(one.host, other.host);
}

/** Whether two listeners of one port are in each other's way. */
function overlap(one: string | undefined, other: string | undefined): boolean {
  if (isAll(one) || isAll(other)) return true;
  if (isLocalhost(one as string)) return isLoopback(other as string);
  if (isLocalhost(other as string)) return isLoopback(one as string);
  return one === other;
}

function isAll(host: string | undefined): boolean {
  return host === undefined || /^(?:0\.0\.0\.0|[0:]+)$/.test(host);
}

/**
 * On Linux a user needs a right for ports below 1024. Whoever checks the options may be another user than the
 * relay's.
 */
function tooLow(listeners: readonly Listener[]): OptionProblem[] {
  const first = firstFreePort();
  return listeners
    .filter(({ from }) => from < first)
    .map(({ option, from }) => ({
      verdict: "warning",
      reason: `this user may not listen at port ${from}`,
      advice:
        "Ports below 1024 need a permission: AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit.",
      options: [option],
    }));
}

/** The lowest port that this user may listen at. 0 where nothing tells. */
function firstFreePort(): number {
  if (process.platform !== "linux" || process.getuid?.() === 0) return 0;
  try {
    const [, effective = "0"] =
      /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    if ((BigInt(`0x${effective}`) >> BigInt(netBindService)) & 1n) return 0;
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 0;
  }
}
