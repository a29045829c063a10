import { createHash } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import type { RelayObserver } from "mcp-tunnel";
import { afterEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ByteChecker, bytesAt } from "../support/bytes.js";
import { type InProcessTunnel, startInProcess } from "../support/in-process.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { scaled } from "./scale.js";

/** The number of exchanges of each kind that are going on at any moment, until the time is up. */
const perKind = 50;
const durationMs = scaled(10_000, 60_000);
const cutIntervalMs = 1_000;
const cutCount = durationMs / cutIntervalMs;
const bodyBytes = scaled(100_000, 400_000);
/** Bytes per connection and direction: exchanges last for several cuts, and a laptop can run this. */
const bytesPerSecond = 12_000_000;

let upstream: Upstream;
let tunnel: InProcessTunnel;

afterEach(async () => {
  await tunnel.close();
  await upstream.close();
});

it(
  `200 exchanges at once get every byte right while the link is cut every second (${durationMs / 1_000} s)`,
  async () => {
    upstream = await startUpstream();
    const reasons: string[] = [];
    const observer: RelayObserver = {
      onEnd({ outcome, code, detail, method, path, durationMs }) {
        if (outcome === "completed") return;
        reasons.push(`${method} ${path} ${outcome} after ${Math.round(durationMs)} ms: ${code}, ${detail}`);
      },
      onLimit: ({ limit }) => void reasons.push(`limit ${limit}`),
    };
    tunnel = await startInProcess({
      upstreamPort: upstream.port,
      faults: true,
      relay: { observers: [observer] },
    });
    const { client, proxy } = tunnel;
    if (proxy === undefined) throw new Error("there is no proxy");
    proxy.bytesPerSecond = bytesPerSecond;
    const failures: string[] = [];
    let resumed = 0;
    let lost = 0;
    client.on("connected", (event) => {
      if (event.resumed) resumed += 1;
      else lost += 1;
    });
    client.on("disconnected", ({ cause }) => {
      // The proxy resets connections without a word. Any other end of the link is a fault of client or relay.
      if (cause.code !== "session_lost") failures.push(`disconnected: ${inspect(cause)}`);
    });
    client.on("fault", ({ code, message }) => void failures.push(`client: ${code}: ${message}`));

    let cuts = 0;
    const deadline = performance.now() + durationMs;
    const counts: Record<string, number> = {};
    const keepDoing = (name: string, exchange: (seed: number) => Promise<void>): Promise<void>[] =>
      Array.from({ length: perKind }, async (_, worker) => {
        for (let round = 0; performance.now() < deadline || cuts < cutCount; round++) {
          try {
            await exchange(worker * 1_000 + round);
            counts[name] = (counts[name] ?? 0) + 1;
          } catch (error) {
            failures.push(`${name}: ${inspect(error)}`);
            return;
          }
        }
      });
    const workers = [
      ...keepDoing("downloads", download),
      ...keepDoing("uploads", upload),
      ...keepDoing("event streams", eventStream),
      ...keepDoing("WebSockets", webSocketEcho),
    ];
    const timer = setInterval(() => {
      proxy.cut();
      cuts += 1;
    }, cutIntervalMs);
    await Promise.all(workers);
    clearInterval(timer);

    console.info(`${cuts} cuts, ${resumed} resumptions;`, counts);
    // The relay's reasons come first: they tell more than a connection that ended.
    expect(reasons).toEqual([]);
    expect(failures).toEqual([]);
    expect(lost).toBe(0);
    expect(cuts).toBeGreaterThanOrEqual(cutCount);
    expect(resumed).toBeGreaterThan(cuts / 2);
    for (const kind of ["downloads", "uploads", "event streams", "WebSockets"]) {
      expect(counts[kind]).toBeGreaterThanOrEqual(perKind);
    }
  },
  durationMs + 120_000,
);

async function download(seed: number): Promise<void> {
  const length = bodyBytes + ((seed * 7_919) % bodyBytes);
  const { statusCode, body } = await tunnel.visit(`/bytes/${length}${seed % 2 === 0 ? "?chunked" : ""}`);
  const checker = new ByteChecker();
  for await (const chunk of body) checker.update(chunk as Buffer);
  same("status", statusCode, 200);
  same("length", checker.length, length);
}

async function upload(seed: number): Promise<void> {
  const length = bodyBytes + ((seed * 7_919) % bodyBytes);
  const body = bytesAt(seed, length);
  const { statusCode, body: answer } = await tunnel.visit("/hash", { method: "POST", body });
  const sha256 = createHash("sha256").update(body).digest("hex");
  same("answer", await answer.text(), JSON.stringify({ length, sha256 }));
  same("status", statusCode, 200);
}

async function eventStream(seed: number): Promise<void> {
  const count = 40 + (seed % 20);
  const { statusCode, body } = await tunnel.visit(`/sse?count=${count}&intervalMs=40`);
  const expected = Array.from({ length: count }, (_, i) => `id: ${i + 1}\ndata: event ${i + 1}\n\n`).join("");
  same("events", await body.text(), expected);
  same("status", statusCode, 200);
}

/** Each message is sent when the previous one has come back. */
async function webSocketEcho(seed: number): Promise<void> {
  const ws = new WebSocket(`ws://127.0.0.1:${tunnel.relayPort}/websocket`, {
    headers: { host: "demo.localhost" },
  });
  const broken = once(ws, "close").then(([code]) => {
    throw new Error(`closed with ${String(code)}`);
  });
  broken.catch(() => {});
  await Promise.race([once(ws, "open"), broken]);
  for (let i = 0; i < 20; i++) {
    const message = bytesAt(seed + i, 1_000 + (seed % 7_000));
    const answer = once(ws, "message");
    ws.send(message);
    const [echoed] = (await Promise.race([answer, broken])) as [Buffer];
    if (!message.equals(echoed)) throw new Error(`message ${i} of ${message.length} bytes came back changed`);
    await delay(50);
  }
  const closed = once(ws, "close");
  ws.close(1000);
  same("code", (await closed)[0], 1000);
}

function same(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
}
