import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { TunnelError } from "mcp-tunnel-protocol";
import { formatBytes, messageOf } from "mcp-tunnel-shared";
import { failed, ok, skipped, warning } from "mcp-tunnel-shared/command";
import type { Examination, Finding } from "mcp-tunnel-shared/command";
import type { Case } from "./case.js";
import { IdleWatch, wakeLimitMs } from "./idle.js";
import { lookAtMcp } from "./mcp-look.js";
import { addressFinding, connectionFinding, tlsFinding } from "./network-steps.js";
import type { NetworkTarget } from "./network-steps.js";
import { maxSourceBytes } from "./probes.js";
import type { Answer, Ask, Question } from "./question.js";
import { Trial } from "./trial.js";
import { askAt, openAnswer } from "./visit.js";
import { placeOf } from "./way.js";
import { echo, openWebSocket, UpgradeRefusal } from "./web-socket.js";

/** How long the first event of a stream may take, in milliseconds. */
const firstEventMs = 5_000;

const mebibyte = 1_048_576;
/** The larger of the request bodies that are tried, in bytes. Relays take 5 MiB unless told otherwise. */
const largeRequestBytes = 4 * mebibyte;
/** A larger body is not tried if it would take longer, in milliseconds. */
const maxBodyMs = 25_000;

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
      examine: () => tunnelFinding(it),
    },
    {
      id: "public-dns",
      title: "DNS of the public URL",
      needs: ["name"],
      examine: () => unlessProxied(it, (target) => addressFinding(target)),
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
      examine: (signal) => mcpFinding(it, path, signal),
    },
    {
      id: `open-tools${id}`,
      title: `who may use it${suffix}`,
      needs: [`local-mcp${id}`],
      examine: () => openToolsFinding(it, path),
    },
  ];
}

// ---- the way in

async function tunnelFinding(it: Case): Promise<Finding> {
  if (it.checked?.inUse === true) {
    it.isInUse = true;
    return skipped("a client has the name: it stays as it is, and is visited as it is");
  }
  try {
    it.trial = await Trial.open({ ...it.settings.relay, token: it.token }, it.service);
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

async function publicTlsFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const { publicUrl: url } = it;
  if (url === undefined) return skipped("the relay has not said what the public URL is");
  if (!placeOf(url).isSecure) return ok(`none: ${url.origin} is plain http`);
  return tlsFinding({ url, way: it.wayTo(url) }, signal);
}

/** The trial and the URL, for examinations that come only once both are there. */
function openTrial({ trial, publicUrl }: Case): { readonly trial: Trial; readonly url: URL } {
  if (trial === undefined || publicUrl === undefined) throw new Error("there is no tunnel");
  return { trial, url: publicUrl };
}

/** Asks one of the doctor's own probes from outside. */
function askProbe(it: Case, question: Question, signal: AbortSignal): Promise<Answer> {
  const { trial, url } = openTrial(it);
  const path = trial.probes.prefix + question.path;
  return askAt(url, it.wayTo(url))({ ...question, path }, signal);
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

/** Who has said what: the relay puts its name to its own answers. */
function saidBy({ status, headers }: Answer): string {
  const code = headers["x-tunnel-error"];
  if (code !== undefined) return `the relay answers ${status} (${code.slice(0, 60)})`;
  const server = headers["server"];
  return `${status}${server === undefined ? "" : ` from '${server.slice(0, 60)}'`}, and not from the relay itself`;
}

// ---- what passes

async function streamFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const { trial, url } = openTrial(it);
  const startedAtMs = performance.now();
  const path = `${trial.probes.prefix}/stream`;
  // Most visitors take compressed answers, and what compresses a stream may hold it up.
  const headers = { accept: "text/event-stream", "accept-encoding": "gzip, br" };
  const first = openAnswer(url, it.wayTo(url), { method: "GET", path, headers }, signal).then(
    async (response) => {
      response.on("error", () => {});
      await once(response, "data", { signal });
      const tookMs = Math.round(performance.now() - startedAtMs);
      return { response, tookMs };
    },
  );
  const early = await Promise.race([first, late(firstEventMs)]);
  trial.probes.finishStreams();
  if (early !== undefined) {
    early.response.destroy();
    return ok(`the first event comes at once, after ${early.tookMs} ms`);
  }
  const atEnd = await Promise.race([first, late(firstEventMs)]);
  atEnd?.response.destroy();
  first.catch(() => {});
  const advice =
    "A proxy in front of the relay, or on the visitors' way, collects answers. For nginx: proxy_http_version " +
    "1.1; proxy_buffering off; and no gzip for text/event-stream.";
  return atEnd === undefined
    ? failed(`no event comes within ${firstEventMs / 1_000} s`, advice)
    : failed("events come only when the stream has ended", advice);
}

function late(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined).unref();
  });
}

async function socketFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const { trial, url } = openTrial(it);
  try {
    const path = `${trial.probes.prefix}/echo`;
    const socket = await openWebSocket(url, path, it.wayTo(url), signal);
    await echo(socket, "hello", signal);
    socket.close();
    return ok("a message goes there and back");
  } catch (error) {
    const said = error instanceof UpgradeRefusal ? saidBy(error.answer) : messageOf(error);
    return failed(
      `no WebSocket opens: ${said}`,
      "A proxy in front of the relay, or on the visitors' way, does not pass Upgrade. For nginx: " +
        'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
    );
  }
}

async function requestBodyFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const trySize = async (bytes: number): Promise<string | undefined> => {
    const body = Buffer.alloc(bytes, randomBytes(4_096));
    const answer = await askProbe(it, { method: "POST", path: "/sink", body }, signal);
    const isWhole = answer.status === 200 && answer.body.toString() === String(bytes);
    return isWhole ? undefined : saidBy(answer);
  };
  return bodyFinding("a request", trySize, largeRequestBytes, "--max-request-body");
}

async function responseBodyFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const trySize = async (bytes: number): Promise<string | undefined> => {
    const path = `/source?bytes=${bytes}`;
    const answer = await askProbe(it, { method: "GET", path, maxBytes: bytes + 1 }, signal);
    if (answer.status !== 200) return saidBy(answer);
    return answer.body.length === bytes ? undefined : `${formatBytes(answer.body.length)} arrived`;
  };
  const largest = Math.min(it.checked?.maxResponseBody ?? mebibyte, maxSourceBytes);
  return bodyFinding("an answer", trySize, largest, "--max-response-body");
}

/** Tries 1 MiB, and then more if the line is quick enough. `option`: the relay's. */
async function bodyFinding(
  what: string,
  trySize: (bytes: number) => Promise<string | undefined>,
  largest: number,
  option: string,
): Promise<Finding> {
  const first = Math.min(mebibyte, largest);
  const advice = `The relay's ${option} limits it, or a proxy in front of the relay does (nginx: client_max_body_size, 1m by default).`;
  const startedAtMs = performance.now();
  const fault = await faultOf(trySize, first);
  if (fault !== undefined) return failed(`${what} of ${formatBytes(first)} does not pass: ${fault}`, advice);
  const expectedMs = ((performance.now() - startedAtMs) / first) * largest;
  if (expectedMs > maxBodyMs) {
    return ok(`${what} of ${formatBytes(first)} passes; ${formatBytes(largest)} would take too long to try`);
  }
  const largeFault = await faultOf(trySize, largest);
  if (largeFault === undefined) return ok(`${what} of ${formatBytes(largest)} passes`);
  return warning(
    `${what} of ${formatBytes(first)} passes, and one of ${formatBytes(largest)} does not: ${largeFault}`,
    advice,
  );
}

async function faultOf(
  trySize: (bytes: number) => Promise<string | undefined>,
  bytes: number,
): Promise<string | undefined> {
  try {
    return await trySize(bytes);
  } catch (error) {
    return messageOf(error);
  }
}

// ---- the service, from outside

async function mcpFinding(it: Case, path: string, signal: AbortSignal): Promise<Finding> {
  const { publicUrl, trial } = it;
  if (publicUrl === undefined || (trial === undefined && !it.isInUse)) return skipped("there is no tunnel");
  const local = it.looks.get(path)?.greeting;
  if (local !== undefined && local.server === undefined && !local.isLoginNeeded) {
    return skipped("there is none here either");
  }
  const bare = askAt(publicUrl, it.wayTo(publicUrl));
  const ask: Ask = (question, stop) =>
    bare({ ...question, headers: { ...trial?.keyHeaders, ...question.headers } }, stop);
  const { greeting, tools } = await lookAtMcp(ask, path, signal);
  const where = new URL(path, publicUrl).href;
  if (trial === undefined) it.openTools.set(path, tools);
  if (greeting.server === undefined) {
    if (!greeting.isLoginNeeded) {
      return failed(
        `${where} gives no MCP: ${greeting.said}`,
        trial === undefined ? "Does the client that has the name serve this service?" : undefined,
      );
    }
    const isAsLocal = local?.server === undefined && local?.isLoginNeeded === true;
    if (isAsLocal || trial === undefined) return ok(`${where} wants visitors to sign in (401)`);
    return failed(`${where} wants visitors to sign in (401), which the service itself does not`);
  }
  if (local?.server === undefined || local.server.title === greeting.server.title) {
    return ok(`${greeting.server.title}, answers at ${where}`);
  }
  return failed(
    `${greeting.server.title}, answers at ${where}, and ${local.server.title}, here`,
    "The client that has the name serves another service.",
  );
}

function openToolsFinding(it: Case, path: string): Finding {
  const { trial, settings, openTools, looks } = it;
  const local = looks.get(path)?.greeting;
  if (local?.server === undefined && local?.isLoginNeeded !== true) return skipped("there is no MCP server");
  // A client that has the name was visited without a key.
  const wasVisited = trial === undefined && openTools.has(path);
  const kinds = settings.tunnel?.visitors?.kinds ?? [];
  if (!wasVisited && kinds.length > 0) return ok(`visitors have to show a proof: ${kinds.join(", ")}`);
  const tools = wasVisited ? openTools.get(path) : looks.get(path)?.tools;
  if (tools === undefined) return ok("nobody is told the tools without a login");
  return warning(
    `tools/list is answered without authentication (${tools === 1 ? "1 tool" : `${tools} tools`}): everybody who ` +
      "knows or guesses the URL can use this MCP server with your rights",
    "--visitor-auth oauth,bearer lets in those whom you allow.",
  );
}
