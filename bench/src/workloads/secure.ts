import { h2load, type H2loadOptions } from "../load/h2load.js";
import { smallPath } from "../upstreams/static.js";
import type { Workload } from "../workload.js";
import { nearest } from "./usual.js";

const mebibyte = 1_048_576;

/** Small requests over TLS. */
function secure(name: string, title: string, load: Omit<H2loadOptions, "path">): Workload {
  return {
    name,
    title,
    upstream: "static",
    setup: "secure",
    group: "secure",
    quick: true,
    programs: ["h2load"],
    usual: nearest,
    operation: "request",
    metrics: {
      rps: { unit: "/s", better: "higher" },
      p50: { unit: "ms", better: "lower" },
      p99raw: { unit: "ms", better: "lower" },
    },
    async run(endpoint, { seconds, folder, measured }) {
      const result = await h2load(endpoint, { ...load, path: smallPath }, seconds, folder, measured);
      return {
        values: { rps: result.requestsPerSecond, p50: result.p50Ms, p99raw: result.p99Ms },
        operations: result.requests,
      };
    },
  };
}

/** Downloads by h2load, with TLS and without: the load is the same but for the decryption. */
function download(name: string, title: string, setup: "one" | "secure"): Workload {
  return {
    name,
    title,
    upstream: "static",
    setup,
    group: "secure-download",
    quick: true,
    programs: ["h2load"],
    systems: ["mcp-tunnel", "against", "nginx-tls", "frp", "piko"],
    operation: "MiB",
    metrics: { rate: { unit: "MiB/s", better: "higher" } },
    async run(endpoint, { seconds, folder, measured }) {
      const load = { path: "/file/10m", connections: 8, streams: 1, http: "1.1" } as const;
      const { bytes } = await h2load(endpoint, load, seconds, folder, measured);
      const mebibytes = bytes / mebibyte;
      return { values: { rate: mebibytes / seconds }, operations: mebibytes };
    },
  };
}

export const secureWorkloads: readonly Workload[] = [
  secure("https-64", "GET 1 KiB over HTTPS/1.1, 64 connections", {
    connections: 64,
    streams: 1,
    http: "1.1",
  }),
  secure("h2-8x8", "GET 1 KiB over HTTP/2, 8 connections with 8 streams", {
    connections: 8,
    streams: 8,
    http: "2",
  }),
  secure("h2-64x1", "GET 1 KiB over HTTP/2, 64 connections with one stream", {
    connections: 64,
    streams: 1,
    http: "2",
  }),
  download("plain-download-8", "download of 10 MiB without TLS by h2load, 8 at once", "one"),
  download("tls-download-8", "the same over TLS", "secure"),
];
