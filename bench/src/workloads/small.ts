import { wrk, type WrkRequest } from "../load/wrk.js";
import { type Endpoint, untilServing } from "../endpoint.js";
import { sinkPath, smallPath } from "../upstreams/static.js";
import type { Workload } from "../workload.js";

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

function small(
  name: string,
  title: string,
  connections: number,
  request: WrkRequest,
  quick = false,
): Workload {
  return {
    name,
    title,
    upstream: "static",
    quick,
    operation: "request",
    metrics: {
      rps: { unit: "/s", better: "higher" },
      p50: { unit: "ms", better: "lower" },
      p99: { unit: "ms", better: "lower" },
    },
    async run(endpoint, { seconds, folder, measured }) {
      await wake(endpoint, connections);
      const result = await measured(() => wrk(endpoint, request, connections, seconds, folder));
      return {
        values: { rps: result.requestsPerSecond, p50: result.p50Ms, p99: result.p99Ms },
        operations: result.requests,
      };
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

export const smallWorkloads: readonly Workload[] = [
  small("get-1", "GET 1 KiB, 1 connection", 1, get, true),
  small("get-16", "GET 1 KiB, 16 connections", 16, get, true),
  small("get-64", "GET 1 KiB, 64 connections", 64, get, true),
  small("get-256", "GET 1 KiB, 256 connections", 256, get, true),
  small(
    "post-64",
    "POST 1 KiB, 64 connections",
    64,
    { path: sinkPath, method: "POST", bodyBytes: 1_024 },
    true,
  ),
  small("headers-64", "GET with ten browser headers, 64 connections", 64, {
    ...get,
    headers: browserHeaders,
  }),
];
