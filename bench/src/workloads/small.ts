import { wrk, type WrkRequest, type WrkResult } from "../load/wrk.js";
import { type Endpoint, untilServing } from "../endpoint.js";
import { sinkPath, smallPath } from "../upstreams/static.js";
import type { Sample, Workload } from "../workload.js";
import { nearest, web } from "./usual.js";

/** The fields that a browser sends: ten besides Host. */
const browserHeaders = {
  Connection: "keep-alive",
  Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Encoding": "gzip, deflate, br",
  "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
  "Cache-Control": "no-cache",
  Cookie: "session=0d6a5ac4-6fae-4b39-9c2e-9cd15a5d3f11; theme=dark; consent=all",
  Referer: "http://bench.localhost/somewhere/else",
  "Sec-Fetch-Mode": "navigate",
  "Upgrade-Insecure-Requests": "1",
  "User-Agent":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
};

/** What is measured of small requests by wrk. */
export const smallMetrics = {
  rps: { unit: "/s", better: "higher" },
  p50: { unit: "ms", better: "lower" },
  p99: { unit: "ms", better: "lower" },
  p99raw: { unit: "ms", better: "lower" },
} as const;

export function smallSample(result: WrkResult): Sample {
  const { requests: operations, requestsPerSecond: rps, p50Ms: p50, p99Ms: p99, p99RawMs } = result;
  return { values: { rps, p50, p99, ...(p99RawMs === undefined ? {} : { p99raw: p99RawMs }) }, operations };
}

/** Small requests by wrk. */
export function small(
  name: string,
  title: string,
  connections: number,
  request: WrkRequest,
  more: Partial<Workload>,
): Workload {
  return {
    name,
    title,
    upstream: "static",
    operation: "request",
    metrics: smallMetrics,
    ...more,
    async run(endpoint, { seconds, folder, measured }) {
      await wake(endpoint, connections);
      return smallSample(await measured(() => wrk(endpoint, request, connections, seconds, folder)));
    },
  };
}

/**
 * Opens as many connections to the upstream as the load will need. The client closes connections that were
 * idle for half a second, and all were idle while other systems had their turns. Making them anew is no part
 * of a request's cost.
 */
async function wake(endpoint: Endpoint, connections: number): Promise<void> {
  const probe = { path: smallPath, status: 200 };
  await Promise.all(Array.from({ length: connections }, () => untilServing(endpoint, probe)));
}

const get = { path: smallPath };
const post = { path: sinkPath, method: "POST", bodyBytes: 1_024 };

export const smallWorkloads: readonly Workload[] = [
  small("get-1", "GET 1 KiB, 1 connection", 1, get, { quick: true, usual: [...nearest, "direct"] }),
  small("get-16", "GET 1 KiB, 16 connections", 16, get, { quick: true, usual: nearest }),
  small("get-64", "GET 1 KiB, 64 connections", 64, get, { quick: true }),
  small("get-256", "GET 1 KiB, 256 connections", 256, get, { quick: true, usual: nearest }),
  small("post-64", "POST 1 KiB, 64 connections", 64, post, { quick: true, usual: web }),
  small(
    "headers-64",
    "GET with ten browser headers, 64 connections",
    64,
    { ...get, headers: browserHeaders },
    { usual: ["floor"] },
  ),
];
