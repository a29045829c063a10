import { TunnelError } from "mcp-tunnel-protocol";
import { isLoopbackAddress } from "mcp-tunnel-shared";
import { failed, ok, skipped } from "mcp-tunnel-shared/command";
import type { Examination, Finding } from "mcp-tunnel-shared/command";
import type { Case } from "./case.js";
import { IdleWatch, wakeLimitMs } from "./idle.js";
import { addressFinding, connectionFinding, tlsFinding } from "./network-steps.js";
import type { NetworkTarget } from "./network-steps.js";
import {
  firstEventMs,
  requestBodyFinding,
  responseBodyFinding,
  socketFinding,
  streamFinding,
} from "./passage-steps.js";
import { askProbe, openTrial, saidBy } from "./probe-visit.js";
import { openToolsFinding, publicMcpFinding } from "./public-mcp-steps.js";
import { Trial } from "./trial.js";
import { placeOf } from "./way.js";

/** Visits the public URL from here, as a visitor elsewhere would. */
export function publicExaminations(it: Case, onWaiting: (leftMs: number) => void): Examination[] {
  const visits = ["public-dns", "public-tcp", "public-tls"];
  const probed = ["public-answer"];
  const { idleMs } = it.settings;
  return [
    {
      id: "tunnel",
      title: "tunnel",
      needs: ["name"],
      limitMs: 25_000,
      examine: (signal) => tunnelFinding(it, signal),
    },
    {
      id: "public-dns",
      title: "DNS of the public URL",
      needs: ["name"],
      examine: () => unlessProxied(it, (target) => publicAddressFinding(it, target)),
    },
    {
      id: "public-tcp",
      title: "TCP to the public URL",
      needs: ["public-dns"],
      examine: (signal) => unlessProxied(it, (target) => connectionFinding(target, signal)),
    },
    {
      id: "public-tls",
      title: "TLS of the public URL",
      needs: ["public-tcp"],
      examine: (signal) => publicTlsFinding(it, signal),
    },
    {
      id: "public-answer",
      title: "visit",
      needs: ["tunnel", ...visits],
      examine: (signal) => answerFinding(it, signal),
    },
    {
      id: "stream",
      title: "stream",
      needs: probed,
      limitMs: 2 * firstEventMs + 5_000,
      examine: (signal) => streamFinding(it, signal),
    },
    { id: "websocket", title: "WebSocket", needs: probed, examine: (signal) => socketFinding(it, signal) },
    {
      id: "body-up",
      title: "large request",
      needs: probed,
      limitMs: 60_000,
      examine: (signal) => requestBodyFinding(it, signal),
    },
    {
      id: "body-down",
      title: "large answer",
      needs: probed,
      limitMs: 60_000,
      examine: (signal) => responseBodyFinding(it, signal),
    },
    ...it.mcpPaths.flatMap((path, index) => mcpExaminations(it, path, index)),
    ...(idleMs === 0
      ? []
      : [
          {
            id: "idle",
            title: "silence",
            needs: probed,
            limitMs: idleMs + wakeLimitMs + 5_000,
            async examine(): Promise<Finding> {
              if (it.idle === undefined) return skipped("nothing stays open");
              onWaiting(it.idle.leftMs);
              return it.idle.finding();
            },
          },
        ]),
  ];
}

function mcpExaminations(it: Case, path: string, index: number): Examination[] {
  const isOnly = it.mcpPaths.length === 1;
  const [id, suffix] = isOnly ? ["", ""] : [`-${index + 1}`, ` at ${path}`];
  return [
    {
      id: `public-mcp${id}`,
      title: `MCP from outside${suffix}`,
      // Not the visit: a client that has the name is visited as it is.
      needs: ["public-dns", "public-tcp", "public-tls", `local-mcp${id}`],
      limitMs: 30_000,
      examine: (signal) => publicMcpFinding(it, path, signal),
    },
    {
      id: `open-tools${id}`,
      title: `who may use it${suffix}`,
      needs: [`local-mcp${id}`],
      examine: () => openToolsFinding(it, path),
    },
  ];
}

async function tunnelFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  if (it.checked?.inUse === true) {
    it.isInUse = true;
    return skipped("a client has the name: it stays as it is, and is visited as it is");
  }
  try {
    const isOver = AbortSignal.any([signal, it.closing.signal]);
    it.opening = Trial.open({ ...it.settings.relay, token: it.token }, it.service, isOver);
    it.trial = await it.opening;
  } catch (error) {
    if (!(error instanceof TunnelError) || error.code !== "taken") throw error;
    it.isInUse = true;
    return skipped(`${error.message}: that client stays as it is, and is visited as it is`);
  }
  const { url } = it.trial.client;
  it.publicUrl = new URL(url);
  return ok(`${it.publicUrl.origin} is the doctor's own while it looks; only the doctor has the key to it`);
}

async function unlessProxied(it: Case, look: (target: NetworkTarget) => Promise<Finding>): Promise<Finding> {
  const { publicUrl } = it;
  if (publicUrl === undefined) return skipped("the relay has not said what the public URL is");
  const way = it.wayTo(publicUrl);
  return way.proxy === undefined
    ? look({ url: publicUrl, way })
    : ok(`left to the proxy ${way.proxy.origin}`);
}

/** Who connects to the unspecified address is connected to this machine, by Linux and macOS. */
const unspecified = /^\[?(?:0\.0\.0\.0|::|::ffff:(?:0\.0\.0\.0|0:0))\]?$/;

/**
 * The relay has chosen the name. If it leads to this machine, and the relay is elsewhere, nothing is asked
 * there: a relay must not have the doctor ask a service that listens here alone.
 */
export async function publicAddressFinding(it: Case, target: NetworkTarget): Promise<Finding> {
  const { host } = placeOf(target.url);
  const isHere = async (url: URL): Promise<boolean> => {
    const addresses = await it.way.addressesOf(placeOf(url).host);
    return addresses.some(({ address }) => isLoopbackAddress(address) || unspecified.test(address));
  };
  const finding = await addressFinding(target);
  if (finding.verdict !== "ok" || !(await isHere(target.url)) || (await isHere(it.relayUrl))) return finding;
  return failed(
    `${host} is an address of this machine, and the relay is elsewhere`,
    "The relay's operator should look at the wildcard record, and you at the file of hosts.",
  );
}

async function publicTlsFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const { publicUrl: url } = it;
  if (url === undefined) return skipped("the relay has not said what the public URL is");
  if (!placeOf(url).isSecure) return ok(`none: ${url.origin} is plain http`);
  return tlsFinding({ url, way: it.wayTo(url) }, signal);
}

async function answerFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const { trial, url } = openTrial(it);
  const startedAtMs = performance.now();
  const answer = await askProbe(it, { method: "GET", path: "/here" }, signal);
  if (answer.status === 200 && trial.probes.isHere(answer.body)) {
    const { idleMs } = it.settings;
    if (idleMs > 0) it.idle = new IdleWatch(url, it.wayTo(url), trial.probes, idleMs);
    return ok(`${url.origin} reaches this machine, in ${Math.round(performance.now() - startedAtMs)} ms`);
  }
  const { location } = answer.headers;
  const where = location === undefined ? "" : ` and leads to ${location.slice(0, 200)}`;
  return failed(
    `${url.origin} does not lead to the tunnel: ${saidBy(answer)}${where}`,
    "Something else answers under the public name, or a proxy in front of the relay changes Host: the relay's " +
      "operator should look at the wildcard record and at the proxy (Host has to stay as it is).",
  );
}
