import { setTimeout as delay } from "node:timers/promises";
import { Downloads, upload } from "../load/bulk.js";
import { fileSizes, sinkPath } from "../upstreams/static.js";
import type { Workload } from "../workload.js";
import { nearest, web } from "./usual.js";

const mebibyte = 1_048_576;

function download(connections: number, usual?: readonly string[]): Workload {
  return {
    ...downloadOf("10m", connections),
    quick: true,
    ...(usual === undefined ? {} : { usual }),
  };
}

/** Downloads of a file, each again and again. Those of 10 MiB are the usual ones, whose name says no size. */
export function downloadOf(file: "1m" | "10m", connections: number): Workload {
  const isUsual = file === "10m";
  return {
    name: isUsual ? `download-${connections}` : `download-${file}-${connections}`,
    title: `download of ${isUsual ? 10 : 1} MiB, ${connections} at once`,
    upstream: "static",
    operation: "MiB",
    metrics: { rate: { unit: "MiB/s", better: "higher" } },
    async run(endpoint, { seconds }) {
      const startedAt = performance.now();
      const downloads = new Downloads(endpoint, `/file/${file}`, connections);
      try {
        await Promise.race([delay(seconds * 1_000), downloads.failed]);
      } finally {
        downloads.stop();
      }
      const mebibytes = downloads.bytes / mebibyte;
      return {
        values: { rate: (mebibytes * 1_000) / (performance.now() - startedAt) },
        operations: mebibytes,
      };
    },
  };
}

function uploads(connections: number, usual: readonly string[]): Workload {
  return {
    name: `upload-${connections}`,
    title: `upload of 10 MiB, ${connections} at once`,
    upstream: "static",
    quick: true,
    usual,
    operation: "MiB",
    metrics: { rate: { unit: "MiB/s", better: "higher" } },
    async run(endpoint, { seconds }) {
      const result = await upload(endpoint, sinkPath, fileSizes["10m"], connections, seconds);
      return {
        values: { rate: result.bytesPerSecond / mebibyte },
        operations: result.bytes / mebibyte,
      };
    },
  };
}

export const bulkWorkloads: readonly Workload[] = [
  download(1, nearest),
  download(8),
  uploads(1, nearest),
  uploads(8, web),
];
