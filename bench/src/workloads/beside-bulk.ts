import { Downloads } from "../load/bulk.js";
import { wrk } from "../load/wrk.js";
import { smallPath } from "../upstreams/static.js";
import type { Workload } from "../workload.js";
import { nearest } from "./usual.js";

const connections = 8;

/** The latency of small requests beside large downloads in the same tunnel. */
export const besideBulk: Workload = {
  name: "beside-bulk",
  title: "small requests (8 connections) beside 8 downloads of 1 GiB",
  upstream: "static",
  usual: nearest,
  // First the time itself: a system that is slow when alone would look good by the ratio.
  metrics: {
    besideMs: { unit: "ms", better: "lower" },
    aloneMs: { unit: "ms", better: "lower" },
    p99: { unit: "x alone", better: "lower" },
  },
  async run(endpoint, { seconds, folder }) {
    const alone = await wrk(endpoint, { path: smallPath }, connections, seconds, folder);
    const downloads = new Downloads(endpoint, "/file/1g", 8);
    try {
      const run = wrk(endpoint, { path: smallPath }, connections, seconds, folder);
      const beside = await Promise.race([run, downloads.failed]);
      return {
        values: { p99: beside.p99Ms / alone.p99Ms, aloneMs: alone.p99Ms, besideMs: beside.p99Ms },
      };
    } finally {
      downloads.stop();
    }
  },
};
