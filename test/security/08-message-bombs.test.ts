import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { closingAfterEach } from "../support/cleanup.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import type { RawVisitor } from "./support/raw-visitor.js";
import { startWorld, type World } from "./support/world.js";

/**
 * The attack: the WebSocket of a tunnel takes messages. Its client, with a token or before the relay asks for
 * one, sends a message that never ends: of a gigabyte, of a million fragments, of single bytes, or of zeros
 * that were compressed a thousandfold. Or it sends pings without end and reads no answer.
 *
 * The defence: bounds for the bytes before a registration, for each message (checked when its length is
 * announced), and for its fragments and pieces. There is no compression. Answers to pings do not pile up.
 */
const close = closingAfterEach();
const mebibyte = 1_048_576;
let world: World;
beforeAll(async () => {
  world = await startWorld(["--max-message-size", "2MiB", "--max-message-fragments", "100"]);
});
afterAll(() => world.close());

/** A WebSocket frame of a client, masked with zeros. `length` may lie. */
function webSocketFrame(first: number, payload: Buffer, length = payload.length): Buffer {
  const header = Buffer.alloc(14);
  header[0] = first;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}
const text = 0x81;
const textBegins = 0x01;
const continues = 0x00;
const ping = 0x89;

/** A connection that has become a WebSocket. The test decides what follows. */
async function upgraded(extensions = ""): Promise<RawVisitor> {
  const visitor = world.connect();
  visitor.send(
    `GET /_tunnel/register HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${extensions}\r\n`,
  );
  await visitor.until((received) => received.includes("\r\n\r\n"));
  return visitor;
}

/** The same connection, on which a client has registered `name`. */
async function registered(name: string): Promise<RawVisitor> {
  const visitor = await upgraded();
  const message = JSON.stringify({ token: "t", subdomain: name, protocol: [1] });
  visitor.socket.write(webSocketFrame(text, Buffer.from(message)));
  await visitor.until((received) => received.includes(`"subdomain":"${name}"`));
  return visitor;
}

/** The code in the last close frame, if there was one. */
function closeCode(received: string): number | undefined {
  const at = received.lastIndexOf("\x88");
  return at === -1 ? undefined : Buffer.from(received, "latin1").readUInt16BE(at + 2);
}

/** Writes `bytes` again and again until the other end closes the connection, or `atMost` bytes have left. */
async function flood(visitor: RawVisitor, bytes: Buffer, atMost: number): Promise<void> {
  for (let sent = 0; sent < atMost && !visitor.socket.destroyed; sent += bytes.length) {
    if (visitor.socket.write(bytes)) continue;
    await Promise.race([once(visitor.socket, "drain").catch(() => {}), visitor.closed]);
  }
}

const before: [string, () => Promise<RawVisitor>][] = [
  ["before a registration", () => upgraded()],
  ["after one", () => registered("bomber")],
];

describe.each(before)("%s", (_, connect) => {
  it("a message of 1 GB is refused when it is announced", async () => {
    const visitor = await connect();
    visitor.socket.write(webSocketFrame(text, Buffer.alloc(100), 1_000_000_000));
    expect(closeCode(await visitor.all())).toBe(1009);
  });

  it.skipIf(!tellsMemory)("a message that grows by fragments is refused before it has grown", async () => {
    const visitor = await connect();
    const [rise] = await memoryRise([world.relay.pid], async () => {
      visitor.socket.write(webSocketFrame(textBegins, Buffer.from("{")));
      await flood(visitor, webSocketFrame(continues, Buffer.alloc(65_536, 0x20)), 64 * mebibyte);
      await visitor.closed;
    });
    expect(rise).toBeLessThan(48 * mebibyte);
  });

  it("a message of empty fragments is refused", async () => {
    const visitor = await connect();
    visitor.socket.write(webSocketFrame(textBegins, Buffer.from("{")));
    await flood(visitor, webSocketFrame(continues, Buffer.alloc(0)), mebibyte);
    await visitor.closed;
  });
});

it("each of these limits is counted", async () => {
  expect(await world.limitHits("message_bytes")).toBeGreaterThanOrEqual(3);
  expect(await world.limitHits("message_fragments")).toBeGreaterThanOrEqual(1);
});

it("compression is not agreed to, and compressed messages are refused", async () => {
  const visitor = await upgraded("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
  expect(visitor.received).toContain(" 101 ");
  expect(visitor.received.toLowerCase()).not.toContain("permessage-deflate");
  visitor.socket.write(webSocketFrame(text | 0x40, Buffer.alloc(100)));
  expect(closeCode(await visitor.all())).toBe(1002);
});

it.skipIf(!tellsMemory)("pings whose answers nobody reads cost the relay nothing", async () => {
  const honest = close(await world.startHonest());
  const visitor = await registered("pinger");
  visitor.socket.pause();
  const [rise] = await memoryRise([world.relay.pid], async () => {
    const pings = Buffer.concat(new Array<Buffer>(500).fill(webSocketFrame(ping, Buffer.alloc(125))));
    await flood(visitor, pings, 48 * mebibyte);
  });
  expect(rise).toBeLessThan(48 * mebibyte);
  await world.expectHonest(honest);
});

it("a hostile relay's messages are bounded as well", async () => {
  const { WebSocketServer } = await import("ws");
  const { startTunnelClient } = await import("mcp-tunnel-client");
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  close({ close: () => server.close() });
  await once(server, "listening");
  const codes: number[] = [];
  let bombs = 0;
  server.on("connection", (ws: WebSocket) => {
    ws.on("error", () => {});
    ws.on("close", (code) => codes.push(code));
    ws.once("message", () => {
      ws.send(JSON.stringify({ subdomain: "x", url: "http://x.test", protocol: 1 }));
      if (bombs++ === 0) ws.send(Buffer.alloc(17 * mebibyte));
      else for (let i = 0; i < 2_000; i++) ws.send("", { fin: false, binary: true });
    });
  });
  const { port } = server.address() as { port: number };
  const client = close(
    await startTunnelClient({ port: 1, relayUrl: `http://127.0.0.1:${port}`, shutdownGraceMs: 0 }),
  );
  while (codes.length < 2) await delay(20);
  expect(codes.slice(0, 2)).toEqual([1009, 1008]);
  expect(client.state).not.toBe("closed");
});
