import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { quantile } from "../stats.js";
import type { Workload } from "../workload.js";
import { nearest } from "./usual.js";

const connections = 200;
const message = Buffer.alloc(64, "x");

/** Each of the connections sends a message, waits for its echo, and sends the next. */
export const webSockets: Workload = {
  name: "ws-200",
  title: "200 WebSockets, echo of 64 bytes",
  upstream: "live",
  operation: "echo",
  usual: nearest,
  metrics: {
    rate: { unit: "/s", better: "higher" },
    p50: { unit: "ms", better: "lower" },
    p99: { unit: "ms", better: "lower" },
  },
  async run(endpoint, { seconds, measured }) {
    const sockets = await Promise.all(
      Array.from({ length: connections }, async () => {
        const ws = new WebSocket(`ws://127.0.0.1:${endpoint.port}/echo`, {
          headers: { host: endpoint.host },
          perMessageDeflate: false,
        });
        await once(ws, "open");
        return ws;
      }),
    );
    const delays: number[] = [];
    let running = true;
    try {
      const startedAt = performance.now();
      await measured(async () => {
        const failed = sockets.map(
          (ws) =>
            new Promise<never>((_resolve, reject) => {
              let sentAt = performance.now();
              ws.on("message", () => {
                const now = performance.now();
                delays.push(now - sentAt);
                sentAt = now;
                if (running) ws.send(message);
              });
              ws.on("error", reject);
              ws.on("close", () => reject(new Error("a WebSocket was closed while it echoed")));
              ws.send(message);
            }),
        );
        await Promise.race([delay(seconds * 1_000), ...failed]);
      });
      running = false;
      const elapsedMs = performance.now() - startedAt;
      const sorted = delays.toSorted((a, b) => a - b);
      return {
        values: {
          rate: (sorted.length * 1_000) / elapsedMs,
          p50: quantile(sorted, 0.5),
          p99: quantile(sorted, 0.99),
        },
        operations: sorted.length,
      };
    } finally {
      for (const ws of sockets) ws.removeAllListeners("close").terminate();
    }
  },
};
