import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:tls";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { END, frame, types, UPGRADE, type WireFrame } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand } from "../support/commands.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import { startRawServer } from "../support/raw-server.js";
import { startSecureRelay } from "../support/secure.js";
import { startUpstream } from "../support/upstream.js";
import { connectRawClient, startRawRelay } from "./support/raw-peers.js";
import type { RawVisitor } from "./support/raw-visitor.js";
import { startWorld, type World } from "./support/world.js";

/**
 * The attack: ask for much and read little, or nothing. The bytes that the service has sent wait somewhere
 * between it and the visitor. If they wait in the relay's memory, a few hundred such visitors end the
 * process. If they wait in the tunnel's connection, one visitor stops all others. The same from the other
 * side: uploads that the service does not take.
 *
 * The defence: each stream has credit, which the relay gives back only as the visitor takes bytes, so that
 * the service is the one that waits. There is a bound for the bytes that one tunnel holds, and a time limit
 * for visitors who take nothing.
 */
const close = closingAfterEach();
const mebibyte = 1_048_576;
/** PROTOCOL.md, section 3. */
const overloaded = 8;
let world: World;
beforeAll(async () => {
  world = await startWorld([
    ...["--max-response-body", "2GiB", "--write-timeout", "1s", "--max-requests-per-address", "1000"],
    ...["--max-queued-bytes-per-tunnel", "16MiB"],
  ]);
});
afterAll(() => world.close());

describe.skipIf(!tellsMemory)("memory", () => {
  it("1 GB that is read slowly costs neither end memory, nor others their time", async () => {
    const honest = close(await world.startHonest());
    const visitor = world.connect();
    visitor.received = "";
    // Only the bytes that this visitor has read count, and they are few: 64 KiB at a time, 20 times a second.
    visitor.socket.removeAllListeners("data");
    visitor.socket.pause();
    visitor.send(`${world.head("GET /bytes/1073741824")}\r\n`);
    let read = 0;
    const rises = await memoryRise([world.relay.pid, world.client.pid], async () => {
      for (let i = 0; i < 40; i++) {
        read += (visitor.socket.read(65_536) as string | null)?.length ?? 0;
        await delay(50);
      }
    });
    expect(read).toBeGreaterThan(mebibyte);
    for (const rise of rises) expect(rise).toBeLessThan(64 * mebibyte);
    await world.expectHonest(honest);
  });

  it("dozens who ask for much and read nothing are bounded together, and cut in time", async () => {
    const honest = close(await world.startHonest());
    const before = (await world.limitHits("write_time")) + (await world.limitHits("queued_bytes"));
    const stalled = Array.from({ length: 24 }, () => world.connect());
    const [rise] = await memoryRise([world.relay.pid], async () => {
      for (const visitor of stalled) {
        visitor.socket.pause();
        visitor.send(`${world.head("GET /bytes/20000000")}\r\n`);
      }
      // A paused socket notices its end only when it reads on, so the relay's count tells.
      const cut = async (): Promise<number> =>
        (await world.limitHits("write_time")) + (await world.limitHits("queued_bytes")) - before;
      while ((await cut()) < stalled.length) await delay(100);
    });
    for (const visitor of stalled) visitor.close();
    expect(rise).toBeLessThan(150 * mebibyte);
    await world.expectHonest(honest);
  });

  it("a relay that was taken over cannot fill the client's memory with what the service does not take", async () => {
    const service = close(
      await startRawServer((socket) => {
        socket.on("data", (chunk) => {
          if (chunk.includes("GET /fine")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
      }),
    );
    const relay = close(await startRawRelay());
    const client = close(await startClientCommand(service.port, relay.port, ["--shutdown-grace", "0s"]));
    const hostile = await relay.nextClient();
    const data = Buffer.alloc(262_144);
    const streams = 100;
    const cut = (): WireFrame[] => hostile.frames.filter(({ type }) => type === types.RESET);
    const [rise] = await memoryRise([client.pid], async () => {
      for (let id = 1; id <= streams; id++) {
        // A visitor who upgrades may send before the service has answered, and this service never answers.
        hostile.send(frame(types.REQUEST | UPGRADE, id, "GET\n/hang\nUpgrade\nx"));
        for (let i = 0; i < 4; i++) hostile.send(frame(types.DATA, id, data));
      }
      // 64 of the 100 MiB fit.
      await hostile.until(() => (cut().length >= streams - 64 ? true : undefined));
    });
    expect(rise).toBeLessThan(192 * mebibyte);
    expect(new Set(cut().map(({ payload }) => payload.readUInt16BE(0)))).toEqual(new Set([overloaded]));
    hostile.send(frame(types.REQUEST | END, streams + 1, "GET\n/fine"));
    expect((await hostile.next("RESPONSE")).stream).toBe(streams + 1);
  });

  it("uploads that the service does not read wait at the visitor's", async () => {
    const honest = close(await world.startHonest());
    const chunk = "x".repeat(65_536);
    const rises = await memoryRise([world.relay.pid, world.client.pid], async () => {
      const uploads = Array.from({ length: 40 }, () => world.connect());
      for (const visitor of uploads) {
        visitor.send(`${world.head("POST /hang", "Content-Length: 5000000")}\r\n`);
        for (let i = 0; i < 70; i++) visitor.send(chunk);
      }
      while (world.upstream.requests.filter(({ path }) => path === "/hang").length < 40) {
        await world.upstream.nextRequest();
      }
      await delay(500);
      for (const visitor of uploads) visitor.close();
    });
    for (const rise of rises) expect(rise).toBeLessThan(160 * mebibyte);
    await world.expectHonest(honest);
  });
});

it("a visitor who stops reading an event stream for good is cut, and the service hears of it", async () => {
  const before = await world.limitHits("write_time");
  const visitor = world.connect();
  visitor.send(`${world.head("GET /sse")}\r\n`);
  await visitor.until((received) => received.includes("text/event-stream"));
  visitor.socket.pause();
  const event = "x".repeat(1_000_000);
  for (let i = 0; i < 12; i++) world.upstream.emit(event);
  while ((await world.upstream.nextAbort()).path !== "/sse");
  expect(await world.limitHits("write_time")).toBe(before + 1);
});

it("a quiet event stream is not cut: it may have nothing to say for long", async () => {
  const visitor = world.connect();
  visitor.send(`${world.head("GET /sse")}\r\n`);
  await visitor.until((received) => received.includes("text/event-stream"));
  await delay(1_500);
  world.upstream.emit("still there");
  expect(await visitor.until((received) => received.includes("still there"))).toContain("still there");
});

it("a WebSocket whose visitor reads nothing is cut", async () => {
  const before = await world.limitHits("write_time");
  const visitor = world.connect();
  visitor.send(`${world.head("GET /echo", "Connection: Upgrade", "Upgrade: anything")}\r\n`);
  await visitor.until((received) => received.includes(" 101 "));
  visitor.socket.pause();
  // The service sends everything back: 16 MiB are more than all buffers on the way hold.
  for (let i = 0; i < 256; i++) visitor.send("x".repeat(65_536));
  while ((await world.limitHits("write_time")) === before) await delay(100);
});

it("the JSON wire, which has no credit, cuts the stalled visitor too and serves the others", async () => {
  const client = close(await connectRawClient(world.port, "json", {}));
  const ids: string[] = [];
  client.ws.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { kind: string; id: string };
    if (message.kind === "request") ids.push(message.id);
  });
  const ask = (): RawVisitor => {
    const visitor = world.connect();
    visitor.send("GET / HTTP/1.1\r\nHost: json.localhost\r\n\r\n");
    return visitor;
  };
  const stalled = ask();
  stalled.socket.pause();
  while (ids.length < 1) await delay(5);
  client.send(JSON.stringify({ kind: "response_head", id: ids[0], status: 200, headers: {} }));
  const data = Buffer.alloc(65_536).toString("base64");
  const before = await world.limitHits("write_time");
  // Too little to pause the whole link, enough to fill the visitor's buffers.
  for (let i = 0; i < 150; i++) {
    client.send(JSON.stringify({ kind: "response_chunk", id: ids[0], data, last: false }));
  }
  const other = ask();
  while (ids.length < 2) await delay(5);
  client.send(JSON.stringify({ kind: "response_head", id: ids[1], status: 200, headers: {} }));
  client.send(JSON.stringify({ kind: "response_chunk", id: ids[1], data: "b2s=", last: true }));
  expect(await other.until((received) => received.includes("ok"))).toContain("200 OK");
  while ((await world.limitHits("write_time")) === before) await delay(100);
});

it("HTTP/2: a stream whose window stays shut is reset, the connection and its other streams go on", async () => {
  const secure = close(await startSecureRelay(["--write-timeout", "1s"]));
  const upstream = close(await startUpstream());
  close(await secure.connectClient(upstream.port, "demo"));
  const session = connectHttp2("https://demo.tunnel.test", {
    createConnection: () =>
      connect({ host: "127.0.0.1", port: secure.port, rejectUnauthorized: false, ALPNProtocols: ["h2"] }),
  });
  session.on("error", () => {});
  close({ close: () => session.destroy() });
  // The stream's window fills and never opens again, because nobody reads.
  const stalled = session.request({ ":path": "/bytes/5000000" });
  stalled.on("error", () => {});
  const reset = new Promise<number>((resolve) => stalled.on("close", () => resolve(stalled.rstCode)));
  await new Promise((resolve) => stalled.once("response", resolve));
  const other = session.request({ ":path": "/status/200" });
  const status = await new Promise((resolve) => other.once("response", (head) => resolve(head[":status"])));
  expect(status).toBe(200);
  other.resume();
  stalled.resume();
  stalled.pause();
  expect(await reset).not.toBe(0);
  const again = session.request({ ":path": "/status/200" });
  expect(await new Promise((resolve) => again.once("response", (head) => resolve(head[":status"])))).toBe(
    200,
  );
});
