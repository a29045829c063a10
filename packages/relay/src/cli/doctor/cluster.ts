import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { messageOf } from "mcp-tunnel-shared";
import { type Examination, failed, type Finding, ok, warning } from "mcp-tunnel-shared/command";
import { addressRanges } from "../../net/addresses.js";
import { formatHostPort, type HostPort } from "../../net/host-port.js";
import { listen } from "../../net/listen.js";
import { version } from "../../version.js";
import {
  type ClusterCliOptions,
  clusterSettingsOf,
  type ClusterSettings,
  engineOf,
} from "../options/cluster-options.js";
import { readHostPort } from "../options/values.js";
import type { Subject } from "./surroundings.js";

/** How far the clocks of this machine and of the engine may be apart, in milliseconds. */
const maxClockMs = 5_000;

/** How long a connection that was made may take to come in at the listener, in milliseconds. */
const arrivalMs = 1_000;

/** Networks that are reached from outside only if somebody lets them. */
const privateRanges = [
  ...["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"],
  ...["::1", "fc00::/7", "fe80::/10"],
];

/** The engine answers and agrees about the time, and other relays can reach this one. */
export function clusterExaminations({ command, surroundings }: Subject): Examination[] {
  if (command.opts<ClusterCliOptions>().cluster === undefined) return [];
  // The examination of the options together says what is wrong with the settings.
  const settings = (): ClusterSettings => clusterSettingsOf(command) as ClusterSettings;
  const needs = ["together"];
  return [
    { id: "cluster-engine", title: "cluster", needs, examine: () => engineAnswers(settings()) },
    {
      id: "cluster-clock",
      title: "clock of the cluster",
      needs: ["cluster-engine"],
      examine: () => clocksAgree(settings(), () => surroundings.now()),
    },
    {
      id: "peer-port",
      title: "port for relays",
      needs: ["cluster-engine"],
      examine: (signal) => portIsReached(settings(), signal),
    },
    {
      id: "peer-relays",
      title: "the other relays",
      needs: ["cluster-engine"],
      examine: (signal) => relaysAnswer(settings(), signal),
    },
    { id: "peer-tls", title: "TLS between relays", needs, examine: () => linksAreSafe(settings()) },
  ];
}

type Engine = Awaited<ReturnType<typeof engineOf>>;

/** Asks the engine, and closes it. What it warns of is in the error as well. */
async function asking<T>(settings: ClusterSettings, ask: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await engineOf(settings, () => {});
  try {
    return await ask(engine);
  } finally {
    await engine.close();
  }
}

async function engineAnswers(settings: ClusterSettings): Promise<Finding> {
  let nodes: Awaited<ReturnType<Engine["nodes"]>>;
  try {
    nodes = await asking(settings, (engine) => engine.nodes());
  } catch (error) {
    return failed(
      messageOf(error),
      "No relay starts without Redis. Start it, or correct --cluster, --cluster-user and --cluster-password-file. A firewall may stand between, too.",
    );
  }
  const others = [...new Set(nodes.map((node) => node.version))].filter((one) => one !== version);
  const count = `${nodes.length} ${nodes.length === 1 ? "relay is" : "relays are"} in the cluster`;
  if (others.length === 0) return ok(`Redis answers: ${count}`);
  return warning(
    `${count}, and some are of another version: ${others.join(", ")}; this one is ${version}`,
    "Relays of different versions are for the time of an update. Update the others too.",
  );
}

async function clocksAgree(settings: ClusterSettings, now: () => number): Promise<Finding> {
  const [before, theirs, after] = await asking(settings, async (engine) => {
    // The connection is made first, so that it does not count.
    await engine.clock();
    const start = now();
    return [start, await engine.clock(), now()] as const;
  });
  const apartMs = Math.abs(theirs - (before + after) / 2);
  const apart = `${(apartMs / 1_000).toFixed(1)} s`;
  if (apartMs <= maxClockMs) return ok(`it is that of this machine, within ${apart}`);
  return warning(
    `the clock of Redis and that of this machine are ${apart} apart`,
    "Claims go by the clock of Redis, and after a failover by that of another machine. The expiry of tokens goes by that of each relay. Set all of them by NTP.",
  );
}

/** Where other relays reach this one. */
function advertisedOf({ links }: ClusterSettings): HostPort {
  return links.advertise === undefined ? links.listen : readHostPort(links.advertise);
}

/**
 * The port is free, and a connection to the advertised address comes in there. Or a running relay has the
 * port, and the cluster knows it by that address.
 */
async function portIsReached(settings: ClusterSettings, signal: AbortSignal): Promise<Finding> {
  const { listen: place } = settings.links;
  const address = formatHostPort(advertisedOf(settings));
  if (place.port === 0) return ok("any free port will do");
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, place, "peer port");
  } catch (error) {
    const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") return await isOfCluster(settings, address, signal);
    return failed(messageOf(error), "Correct --peer-listen.");
  }
  const come = new Promise<true>((resolve) => server.once("connection", () => resolve(true)));
  let hasCome: boolean;
  try {
    await reach(advertisedOf(settings), signal);
    hasCome = await Promise.race([come, setTimeout(arrivalMs, false, { ref: false })]);
  } catch (error) {
    return unreachable(address, error);
  } finally {
    server.close();
    await once(server, "close");
  }
  if (hasCome) return ok(`${formatHostPort(place)} is free, and ${address} leads there from this machine`);
  return failed(
    `${address} leads to another program than the one at ${formatHostPort(place)}`,
    "Correct --peer-advertise: it has to lead to this relay's own --peer-listen, and not to a balancer.",
  );
}

async function isOfCluster(
  settings: ClusterSettings,
  address: string,
  signal: AbortSignal,
): Promise<Finding> {
  const nodes = await asking(settings, (engine) => engine.nodes());
  const found = nodes.find((node) => node.address === address);
  if (found === undefined) {
    return failed(
      `another program has ${formatHostPort(settings.links.listen)}, or a relay of another cluster: no relay of this one is at ${address}`,
      `Stop it, or choose another --peer-listen. This names it: ss -ltnp 'sport = :${settings.links.listen.port}'`,
    );
  }
  try {
    await reach(advertisedOf(settings), signal);
  } catch (error) {
    return unreachable(address, error);
  }
  return ok(`a running relay has it, and the others know it by ${address}`);
}

async function reach({ host, port }: HostPort, signal: AbortSignal): Promise<void> {
  const socket = connect({ host, port, signal });
  // What becomes of it after it was made says nothing.
  socket.on("error", () => {});
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}

function unreachable(address: string, error: unknown): Finding {
  return warning(
    `${address} cannot be reached from this machine: ${messageOf(error)}`,
    "Other relays may reach it all the same, if the network leads nobody back to itself. Try it from there: nc -z HOST PORT.",
  );
}

/** Each relay of the cluster proves that it has the secret, and this one to it. */
async function relaysAnswer(settings: ClusterSettings, signal: AbortSignal): Promise<Finding> {
  const nodes = await asking(settings, (engine) => engine.nodes());
  if (nodes.length === 0) return ok("there is none yet");
  const { probeRelay } = await import("mcp-tunnel-cluster");
  const reasons: string[] = [];
  await Promise.all(
    nodes.map((node) =>
      probeRelay(node, settings.links, signal).catch((error: unknown) => reasons.push(messageOf(error))),
    ),
  );
  if (reasons.length === 0) {
    const all =
      nodes.length === 1
        ? "the one has the same secret, and answers"
        : `all ${nodes.length} have the same secret, and answer`;
    return ok(all);
  }
  return failed(
    `${reasons.length} of ${nodes.length} ${nodes.length === 1 ? "relay is" : "relays are"} out of reach: ${reasons.toSorted().join("; ")}`,
    "All relays need the same --cluster-secret-file, and --peer-tls-* or none. One with another secret takes names all the same, and visitors do not get from it to the others. A firewall may stand between, too.",
  );
}

function linksAreSafe(settings: ClusterSettings): Finding {
  const { host } = advertisedOf(settings);
  if (settings.links.tls !== undefined) return ok("the relays speak TLS with one another");
  const isName = !/^[\d.]+$/.test(host) && !host.includes(":");
  if (isName || addressRanges(privateRanges, "private range", "peer-advertise").has(host)) {
    return ok("the relays speak without TLS: nobody else may read along on their network");
  }
  return warning(
    `${host} is a public address, and the relays speak without TLS: whoever is on the way reads all that visitors send`,
    "Give all relays --peer-tls-cert, --peer-tls-key and --peer-tls-ca, or let them use a private network.",
  );
}
