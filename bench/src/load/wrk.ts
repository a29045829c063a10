import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../child.js";
import type { Endpoint } from "../endpoint.js";

export interface WrkRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Length of a body of this many bytes; none by default. */
  readonly bodyBytes?: number;
  /** Hosts to ask in turn, instead of the endpoint's. */
  readonly hosts?: readonly string[];
}

export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The output of the script. Times are in microseconds, as wrk counts. */
interface Printed {
  requests: number;
  bytes: number;
  durationUs: number;
  errors: number;
  p50Us: number;
  p99Us: number;
}

/**
 * Runs wrk with one thread: on two cores, a second thread would take CPU time from the system that is
 * measured.
 * @throws Error if any request failed: a fast error page is no result.
 */
export async function wrk(
  endpoint: Endpoint,
  request: WrkRequest,
  connections: number,
  seconds: number,
  folder: string,
): Promise<WrkResult> {
  const program = findProgram("wrk");
  if (program === undefined) throw new Error("wrk is not installed: apt-get install wrk");
  const script = join(folder, "wrk.lua");
  writeFileSync(script, luaScript(endpoint, request));
  const url = `http://127.0.0.1:${endpoint.port}${request.path}`;
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "30s", "-s", script, url];
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1e7 });
  const line = /^RESULT (.*)$/m.exec(stdout)?.[1];
  if (line === undefined) throw new Error(`wrk said something unexpected:\n${stdout}`);
  const printed = JSON.parse(line) as Printed;
  if (printed.errors > 0 || printed.requests === 0) {
    throw new Error(`${printed.errors} of ${printed.requests} requests of wrk failed:\n${stdout}`);
  }
  return {
    requests: printed.requests,
    requestsPerSecond: (printed.requests * 1e6) / printed.durationUs,
    bytesPerSecond: (printed.bytes * 1e6) / printed.durationUs,
    p50Ms: printed.p50Us / 1_000,
    p99Ms: printed.p99Us / 1_000,
  };
}

function luaScript(endpoint: Endpoint, request: WrkRequest): string {
  const headers = { Host: endpoint.host, ...endpoint.headers, ...request.headers };
  const lines = [`wrk.method = ${quote(request.method ?? "GET")}`];
  for (const [name, value] of Object.entries(headers)) {
    lines.push(`wrk.headers[${quote(name)}] = ${quote(value)}`);
  }
  if (request.bodyBytes !== undefined) lines.push(`wrk.body = string.rep("x", ${request.bodyBytes})`);
  if (request.hosts !== undefined) {
    // Each request is written out once: a request made anew each time would make wrk the bottleneck.
    lines.push(
      `local requests = {}
local at = 0
function init()
  for _, host in ipairs({${request.hosts.map(quote).join(",")}}) do
    requests[#requests + 1] = wrk.format(nil, nil, { Host = host })
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end`,
    );
  }
  lines.push(`function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"bytes":%d,"durationUs":%d,"errors":%d,"p50Us":%d,"p99Us":%d}',
    summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end`);
  return `${lines.join("\n")}\n`;
}

/** A Lua string. The text holds neither quotes nor control characters. */
function quote(text: string): string {
  return `"${text}"`;
}
