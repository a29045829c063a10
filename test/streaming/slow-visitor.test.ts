import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ByteChecker } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import { isLong } from "../support/mode.js";
import { startRawServer } from "../support/raw-server.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, type Visitor } from "../support/visitor.js";
import { body, type CommandTunnel, response, startTunnel } from "./support.js";

const bodyBytes = 1_000_000_000;
const bytesPerSecond = 1_000_000;
/** The time for the whole body, or for enough of it to fill all buffers. */
const readMs = isLong ? (bodyBytes / bytesPerSecond) * 1_000 : 5_000;

let upstream: Upstream;
let tunnel: CommandTunnel;
let other: Visitor;
beforeAll(async () => {
  upstream = await startUpstream();
  tunnel = await startTunnel(upstream.port);
  other = createVisitor(tunnel.port);
});
afterAll(async () => {
  await other.close();
  await tunnel.close();
  await upstream.close();
});
const closing = closingAfterEach();

/** Begins to download, and reads nothing of the body. */
async function download(path: string): Promise<IncomingMessage> {
  const req = tunnel.request(path).end();
  closing({ close: () => req.destroy() });
  return response(req);
}

/**
 * Makes small requests one after the other until `isOver`. Returns the time of each in ms, shortest first.
 */
async function smallRequests(isOver: () => boolean): Promise<number[]> {
  const took: number[] = [];
  while (!isOver()) {
    const startedAtMs = performance.now();
    const answer = await other.text("demo", "/status/200");
    took.push(performance.now() - startedAtMs);
    expect(answer).toEqual({ status: 200, text: "status 200\n" });
    await delay(10);
  }
  return took.toSorted((a, b) => a - b);
}

/** Reads as many bytes as are due at the rate, however late the timer is. */
async function readSlowly(res: IncomingMessage, checker: ByteChecker, isOver: () => boolean): Promise<void> {
  const startedAtMs = performance.now();
  while (!isOver()) {
    const due = ((performance.now() - startedAtMs) * bytesPerSecond) / 1_000;
    const chunk = checker.length < due ? (res.read() as Buffer | null) : null;
    if (chunk === null) await delay(5);
    else checker.update(chunk);
  }
}

describe.skipIf(!tellsMemory)("one visitor who reads 1 MB/s of a gigabyte", () => {
  it("costs little memory and nobody else's time", { timeout: readMs + 60_000 }, async () => {
    const pids = [tunnel.relay.pid, tunnel.client.pid];
    const aloneUntilMs = performance.now() + 1_000;
    const alone = await smallRequests(() => performance.now() > aloneUntilMs);
    let beside: number[] = [];
    const checker = new ByteChecker();
    const rises = await memoryRise(pids, async () => {
      const res = await download(`/bytes/${bodyBytes}`);
      // The long version runs until the body has ended, the short one until time is up.
      let isOver = false;
      const ended = isLong ? once(res, "end") : delay(readMs);
      void ended.then(() => (isOver = true));
      const reading = readSlowly(res, checker, () => isOver);
      beside = await smallRequests(() => isOver);
      await reading;
    });
    report({ rises, alone, beside });
    // The visitor gets nearly his own rate: a busy machine takes some away.
    expect(checker.length).toBeGreaterThan((readMs / 1_000) * bytesPerSecond * 0.5);
    if (isLong) expect(checker.length).toBe(bodyBytes);
    for (const rise of rises) expect(rise).toBeLessThan(64_000_000);
    // A few milliseconds were measured. A visitor who stalled the others would stall them for good.
    expect(beside.at(-1)).toBeLessThan(2_000);
  });
});

describe("one visitor who reads nothing", () => {
  it("stalls neither downloads nor uploads nor event streams of others", { timeout: 60_000 }, async () => {
    const stalled = await Promise.all(Array.from({ length: 4 }, () => download(`/bytes/${bodyBytes}`)));
    // All buffers of these visitors are full: no more bytes come from the local service for them.
    const checker = new ByteChecker();
    for await (const chunk of await download("/bytes/30000000")) checker.update(chunk as Buffer);
    expect(checker.length).toBe(30_000_000);
    const upload = tunnel.request("/hash", { method: "POST" });
    const hashed = response(upload);
    for (let i = 0; i < 100; i++) {
      if (!upload.write(Buffer.alloc(100_000))) await once(upload, "drain");
    }
    upload.end();
    expect(JSON.parse(String(await body(await hashed)))).toMatchObject({ length: 10_000_000 });
    const events = await download("/sse");
    for (let i = 0; i < 10; i++) {
      upstream.emit(String(i));
      expect(String((await once(events, "data"))[0])).toBe(`data: ${i}\n\n`);
    }
    expect(stalled.every((res) => !res.complete)).toBe(true);
  });
});

describe.skipIf(!tellsMemory)("a local service that reads nothing", () => {
  it("stops its visitors, and nothing piles up on the way", { timeout: 60_000 }, async () => {
    let connections = 0;
    const service = await startRawServer(() => (connections += 1));
    const sinks = closing(await startTunnel(service.port));
    // Before the tunnel: while nobody reads a visitor's bytes, nobody sees either that he has gone.
    closing(service);
    const length = 100_000_000;
    const rises = await memoryRise([sinks.relay.pid, sinks.client.pid], async () => {
      const reqs = Array.from({ length: 8 }, () => {
        const req = sinks.request("/", { method: "POST", headers: { "content-length": length } });
        req.on("error", () => {});
        closing({ close: () => req.destroy() });
        req.write(Buffer.alloc(length));
        return req;
      });
      // Waits until no more bytes go anywhere.
      for (let left = -1; ; ) {
        const now = reqs.reduce((sum, { socket }) => sum + (socket?.writableLength ?? length), 0);
        // The command has looked once whether somebody listens.
        if (now === left && connections === reqs.length + 1) break;
        left = now;
        await delay(500);
      }
    });
    // A window for each of the eight uploads, and buffers around them. Of 800 MB, 35 to 45 were measured on
    // Node 20, and 41 in the relay and up to 69 in the client on Node 24.
    for (const rise of rises) expect(rise).toBeLessThan(100_000_000);
  });
});

/** Prints the measurements of the long version. */
function report(measured: { rises: number[]; alone: number[]; beside: number[] }): void {
  if (!isLong) return;
  const [relay = 0, client = 0] = measured.rises.map((bytes) => (bytes / 1_048_576).toFixed(1));
  const latency = (took: number[]): string =>
    [0.5, 0.99, 1].map((q) => (took[Math.ceil(took.length * q) - 1] ?? Number.NaN).toFixed(1)).join(" / ");
  process.stderr.write(
    `slow visitor: relay +${relay} MiB, client +${client} MiB; small requests p50 / p99 / max, ms: ` +
      `${latency(measured.alone)} alone, ${latency(measured.beside)} beside it\n`,
  );
}
