import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "../endpoint.js";
import { median, quantile } from "../stats.js";
import type { Workload } from "../workload.js";
import { nearest } from "./usual.js";

/**
 * Opens an event stream over a connection of its own. `onEvent` gets the time that each event was on its way.
 */
async function openStream(
  endpoint: Endpoint,
  path: string,
  onEvent: (delayMs: number) => void,
): Promise<Socket> {
  const socket = connect({ port: endpoint.port, host: "127.0.0.1" });
  await once(socket, "connect");
  socket.on("data", (chunk: Buffer) => {
    const now = process.hrtime.bigint();
    // An event is written at once and is small, so it comes in one piece.
    for (const [, at] of chunk.toString("latin1").matchAll(/data: (\d+)\n\n/g)) {
      onEvent(Number(now - BigInt(at as string)) / 1e6);
    }
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${endpoint.host}\r\nAccept: text/event-stream\r\n\r\n`);
  return socket;
}

const streams = 500;

export const eventFanOut: Workload = {
  name: "sse-500",
  title: "500 open event streams, an event a second each",
  upstream: "live",
  operation: "event",
  usual: nearest,
  maxRounds: 3,
  metrics: { p50: { unit: "ms", better: "lower" }, p99: { unit: "ms", better: "lower" } },
  async run(endpoint, { seconds, measured }) {
    let delays: number[] = [];
    const sockets: Socket[] = [];
    const open = (): Promise<Socket> => openStream(endpoint, "/ticks", (delayMs) => delays.push(delayMs));
    try {
      for (let i = 0; i < streams; i += 50) {
        const opened = await Promise.all(Array.from({ length: 50 }, open));
        await Promise.all(opened.map((socket) => once(socket, "data")));
        sockets.push(...opened);
      }
      delays = [];
      const windowMs = Math.max(seconds, 3) * 1_000;
      await measured(() => delay(windowMs));
      const expected = (streams * windowMs) / 1_000;
      if (delays.length < expected * 0.9) throw new Error(`${delays.length} of ${expected} events came`);
      const sorted = delays.toSorted((a, b) => a - b);
      return {
        values: { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
        operations: sorted.length,
      };
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  },
};

export const firstEvent: Workload = {
  name: "first-event",
  title: "first event of a stream, from the request on",
  upstream: "live",
  quick: true,
  usual: [...nearest, "direct"],
  metrics: { first: { unit: "ms", better: "lower" }, event: { unit: "ms", better: "lower" } },
  async run(endpoint, { seconds }) {
    const first: number[] = [];
    const event: number[] = [];
    const deadline = performance.now() + seconds * 1_000;
    while (performance.now() < deadline) {
      let startedAt = 0;
      let arrived: () => void = () => {};
      const arrival = new Promise<void>((resolve) => (arrived = resolve));
      const stream = openStream(endpoint, "/first", (delayMs) => {
        first.push(performance.now() - startedAt);
        event.push(delayMs);
        arrived();
      });
      const socket = await stream;
      // The request was written in this turn of the loop. The time to make the connection is not part of the
      // measurement.
      startedAt = performance.now();
      await arrival;
      socket.destroy();
    }
    return { values: { first: median(first), event: median(event) } };
  },
};
