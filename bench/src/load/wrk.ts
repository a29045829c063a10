import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../child.js";
import type { Endpoint } from "../endpoint.js";
import { uncorrectedQuantile } from "./histogram.js";

/** Half a second of wrk's time. Values that are left out are far beyond the 99th percentile. */
const histogramWork = 1e9;

export interface WrkRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Length of a body of this many bytes; none by default. */
  readonly bodyBytes?: number;
  /** Hosts to ask in random order, the same in every run, instead of the endpoint's. */
  readonly hosts?: readonly string[] | undefined;
}

export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  /** Corrected for coordinated omission: a stall counts as all the requests that it kept from being sent. */
  readonly p99Ms: number;
  /** As measured: a stall counts as one request of each connection. Undefined if it is too large to tell. */
  readonly p99RawMs: number | undefined;
}

/** The last line of the script's output. Times are in microseconds, as wrk counts. */
interface Printed {
  requests: number;
  bytes: number;
  durationUs: number;
  errors: number;
  p50Us: number;
  p99Us: number;
  whole: boolean;
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
  // wrk itself waits for no answer when its time is over. A busy machine may take long to go through the
  // latencies.
  const timeout = (seconds + 60) * 1_000;
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1e8, timeout });
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
    p99RawMs: p99RawMs(stdout, printed, connections),
  };
}

function p99RawMs(stdout: string, printed: Printed, connections: number): number | undefined {
  const lines = stdout.matchAll(/^HISTOGRAM (\d+) (\d+)$/gm);
  const values = Array.from(lines, ([, value, count]) => [Number(value), Number(count)] as const);
  // As wrk computes it. With less than a request for each connection, it corrects nothing.
  const each = Math.floor(printed.requests / connections);
  const intervalUs = each === 0 ? Number.POSITIVE_INFINITY : Math.floor(printed.durationUs / each);
  const us = uncorrectedQuantile({ values, whole: printed.whole }, intervalUs, printed.requests, 0.99);
  return us === undefined ? undefined : us / 1_000;
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
function init()
  math.randomseed(1)
  for _, host in ipairs({${request.hosts.map(quote).join(",")}}) do
    requests[#requests + 1] = wrk.format(nil, nil, { Host = host })
  end
end
function request()
  return requests[math.random(#requests)]
end`,
    );
  }
  lines.push(`function done(summary, latency)
  local e = summary.errors
  -- wrk looks for the i-th value from the smallest one on, so this is as much work as the sum of all values.
  local work = 0
  local i = 0
  while i < #latency and work < ${histogramWork} do
    i = i + 1
    local value, count = latency(i)
    work = work + value
    print(string.format('HISTOGRAM %d %d', value, count))
  end
  print(string.format(
    'RESULT {"requests":%d,"bytes":%d,"durationUs":%d,"errors":%d,"p50Us":%d,"p99Us":%d,"whole":%s}',
    summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), tostring(i == #latency)))
end`);
  return `${lines.join("\n")}\n`;
}

/** A Lua string. The text holds neither quotes nor control characters. */
function quote(text: string): string {
  return `"${text}"`;
}
