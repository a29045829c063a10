import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { formatBytes, messageOf } from "mcp-tunnel-shared";
import { failed, ok, warning } from "mcp-tunnel-shared/command";
import type { Finding } from "mcp-tunnel-shared/command";
import type { Case } from "./case.js";
import { askProbe, openTrial, saidBy } from "./probe-visit.js";
import { maxSourceBytes } from "./probes.js";
import { openAnswer } from "./visit.js";
import { echo, openWebSocket, UpgradeRefusal } from "./web-socket.js";

/** How long the first event of a stream may take, in milliseconds. */
export const firstEventMs = 5_000;

const mebibyte = 1_048_576;
/** The larger of the request bodies that are tried, in bytes. Relays take 5 MiB unless told otherwise. */
const largeRequestBytes = 4 * mebibyte;
/** A larger body is not tried if it would take longer, in milliseconds. */
const maxBodyMs = 25_000;

/** Whether the first event of a stream comes while the stream is open. */
export async function streamFinding(it: Case, signal: AbortSignal): Promise<Finding> {
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

/** Whether a WebSocket opens, and carries a message there and back. */
export async function socketFinding(it: Case, signal: AbortSignal): Promise<Finding> {
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

/** How large a request passes. */
export async function requestBodyFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const trySize = async (bytes: number): Promise<string | undefined> => {
    const body = Buffer.alloc(bytes, randomBytes(4_096));
    const answer = await askProbe(it, { method: "POST", path: "/sink", body }, signal);
    const isWhole = answer.status === 200 && answer.body.toString() === String(bytes);
    return isWhole ? undefined : saidBy(answer);
  };
  return bodyFinding("a request", trySize, largeRequestBytes, "--max-request-body");
}

/** How large an answer passes: up to the relay's limit. */
export async function responseBodyFinding(it: Case, signal: AbortSignal): Promise<Finding> {
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
