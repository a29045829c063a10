import { once } from "node:events";
import { connect } from "node:net";
import { peakBytes, residentBytes, resetPeak } from "../proc.js";
import type { Workload } from "../workload.js";
import { nearest } from "./usual.js";

const bytesPerSecond = 1_000_000;
const stepMs = 50;

/** The memory of the processes while one visitor reads a body of 1 GiB at 1 MB/s. */
export const slowReader: Workload = {
  name: "slow-reader",
  title: "one visitor reads 1 GiB at 1 MB/s, fresh processes",
  upstream: "static",
  usual: nearest,
  fresh: true,
  maxRounds: 3,
  metrics: { memory: { unit: "MiB over idle", better: "lower" } },
  async run(endpoint, { seconds }) {
    const before = endpoint.processes.map((child) => residentBytes(child.pid));
    for (const child of endpoint.processes) resetPeak(child.pid);
    const socket = connect({ port: endpoint.port, host: "127.0.0.1" });
    socket.pause();
    await once(socket, "connect");
    socket.write(`GET /file/1g HTTP/1.1\r\nHost: ${endpoint.host}\r\n\r\n`);
    const startedAt = performance.now();
    let taken = 0;
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("the connection was closed in mid-download")));
      const timer = setInterval(() => {
        const elapsedMs = performance.now() - startedAt;
        const due = (elapsedMs * bytesPerSecond) / 1_000;
        while (taken < due) {
          const chunk = socket.read() as Buffer | null;
          if (chunk === null) break;
          taken += chunk.length;
        }
        // Long enough to fill all buffers, however short the other cycles are.
        if (elapsedMs < Math.max(seconds, 4) * 1_000) return;
        clearInterval(timer);
        resolve();
      }, stepMs);
    });
    socket.removeAllListeners("close").destroy();
    if (taken < bytesPerSecond * 2) throw new Error(`only ${taken} bytes came in ${seconds} s`);
    const rise = endpoint.processes.map((child, i) => peakBytes(child.pid) - (before[i] as number));
    return { values: { memory: Math.max(0, ...rise) / 1_048_576 } };
  },
};
