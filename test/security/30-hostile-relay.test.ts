import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTunnelClient } from "mcp-tunnel-client";
import { END, frame, reset, types } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type ClientCommand, startClientCommand } from "../support/commands.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import { type RawServer, startRawServer } from "../support/raw-server.js";
import { connectRawClient, type RawPeer, type RawRelay, startRawRelay } from "./support/raw-peers.js";
import type { RawVisitor } from "./support/raw-visitor.js";
import { startWorld, type World } from "./support/world.js";

/**
 * The attack: the JSON wire has no credit. A relay that was taken over sends the client a hundred bodies of
 * 10 MB for a service that is slow to take them, or asks for as many large responses that have to be
 * collected. From the other side: a client of the original's kind answers a hundred visitors who read
 * nothing, each with 10 MB in one message. The last piece of a body was never counted, as if it were always
 * taken. Here the last piece is the whole body.
 *
 * The defence: the bytes held for all streams of a session are counted until they have been passed on. Beyond
 * the bound, the link is read no further, or the stream that holds the most is cut.
 */
const close = closingAfterEach();
const mebibyte = 1_048_576;
/** PROTOCOL.md, section 3. */
const overloaded = 8;

describe.skipIf(!tellsMemory)("a relay that was taken over", () => {
  let service: RawServer;
  let relay: RawRelay;
  let client: ClientCommand;
  let hostile: RawPeer;
  const stop: { close(): unknown }[] = [];

  /** `acknowledge` chooses the wire. The service reads nothing, unless it gets an `answer`. */
  async function start(acknowledge: object, answer?: Buffer): Promise<void> {
    service = await startRawServer((socket) => {
      if (answer === undefined) socket.pause();
      else socket.once("data", () => socket.write(answer));
    });
    stop.unshift(service);
    relay = await startRawRelay(acknowledge);
    stop.unshift(relay);
    client = await startClientCommand(service.port, relay.port, ["--shutdown-grace", "0s"]);
    stop.unshift(client);
    hostile = await relay.nextClient();
  }

  async function stopAll(): Promise<void> {
    for (const one of stop.splice(0)) await one.close();
  }

  /**
   * Sends a message and waits until it has left. False when the client does not read it, which is as good.
   */
  function send(message: string | Buffer): Promise<boolean> {
    return Promise.race([
      new Promise<boolean>((resolve) => hostile.ws.send(message, () => resolve(true))),
      delay(2_000, false),
    ]);
  }

  it("cannot fill the client with bodies that the service is slow to take", async () => {
    await start({});
    try {
      const body = Buffer.alloc(10_000_000).toString("base64");
      const [rise] = await memoryRise([client.pid], async () => {
        for (let id = 0, reads = true; id < 40 && reads; id++) {
          reads = await send(
            JSON.stringify({ kind: "request", id: String(id), method: "POST", path: "/", headers: {}, body }),
          );
        }
      });
      expect(rise).toBeLessThan(192 * mebibyte);
    } finally {
      await stopAll();
    }
  });

  it("cannot have the client collect without bound what a 0.1 relay is given in whole", async () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n";
    // All but the last byte.
    await start({}, Buffer.concat([Buffer.from(head), Buffer.alloc(9_999_999)]));
    try {
      let refused = 0;
      const enough = new Promise<void>((resolve) => {
        hostile.ws.on("message", () => {
          if (++refused === 40) resolve();
        });
      });
      const [rise] = await memoryRise([client.pid], async () => {
        for (let id = 0; id < 60; id++) {
          await send(JSON.stringify({ id: String(id), method: "GET", path: "/", headers: {}, body: null }));
        }
        await enough;
      });
      expect(rise).toBeLessThan(256 * mebibyte);
    } finally {
      await stopAll();
    }
  });

  it("cannot fill it with heads either, whichever the wire", async () => {
    await start({ protocol: 1 });
    try {
      const head = `GET\n/\nx\n${"x".repeat(260_000)}`;
      const [rise] = await memoryRise([client.pid], async () => {
        for (let id = 1; id <= 1_000; id++) await send(frame(types.REQUEST | END, id, head));
        await hostile.until((frames) =>
          frames.filter(({ type }) => type === types.RESET).length > 700 ? true : undefined,
        );
      });
      expect(rise).toBeLessThan(512 * mebibyte);
    } finally {
      await stopAll();
    }
  });
});

/** A service that is stopped (SIGSTOP). Its machine takes connections for it until its backlog is full. */
async function startStoppedService(): Promise<{ port: number }> {
  const script = `require("net").createServer().listen(0, "127.0.0.1", 1, function () { console.log(this.address().port) })`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  close({ close: () => child.kill("SIGKILL") });
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGSTOP");
  return { port: Number(port.toString()) };
}

it("a relay that gives each request up at once cannot have connections made for them without end", async () => {
  const [service, relay] = [await startStoppedService(), close(await startRawRelay())];
  const relayUrl = `http://127.0.0.1:${relay.port}`;
  close(await startTunnelClient({ port: service.port, relayUrl, maxStreams: 100, shutdownGraceMs: 0 }));
  const hostile = await relay.nextClient();
  const requests = 1_000;
  const pairs: Buffer[] = [];
  for (let id = 1; id <= requests; id++) pairs.push(frame(types.REQUEST | END, id, "GET\n/"), reset(id, 1));
  const all = Buffer.concat(pairs);
  hostile.send(all);
  await hostile.until((frames) =>
    frames.find(({ type, payload }) => type === types.ACK && payload.readBigUInt64BE(0) >= all.length),
  );
  const refused = hostile.frames.filter(
    ({ type, payload }) => type === types.RESET && payload.readUInt16BE(0) === overloaded,
  );
  // The connections that the kernel takes for the service make room: a few, or all of the first hundred,
  // because a busy kernel answers waiting connections before it sees that the backlog is full. Then there is
  // no room for more.
  expect(refused.length).toBeGreaterThan(requests - 300);
});

describe.skipIf(!tellsMemory)("a client of the original's kind", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld(["--max-queued-bytes-per-tunnel", "32MiB"]);
  });
  afterAll(() => world.close());

  // The test reads and writes 400 MB of JSON: a machine with other work takes three times as long.
  it("cannot fill the relay with whole answers that visitors do not read", { timeout: 60_000 }, async () => {
    const honest = close(await world.startHonest());
    const client = close(await connectRawClient(world.port, "whole", {}));
    const body = Buffer.alloc(10_000_000).toString("base64");
    const [rise] = await memoryRise([world.relay.pid], async () => {
      client.ws.on("message", (data: Buffer) => {
        const { kind, id, path } = JSON.parse(data.toString()) as { kind: string; id: string; path: string };
        if (kind !== "request") return;
        client.send(
          JSON.stringify({ id, status: 200, headers: {}, body: path === "/small" ? "b2s=" : body }),
        );
      });
      const ask = (path: string): RawVisitor => {
        const visitor = world.connect();
        visitor.send(`GET ${path} HTTP/1.1\r\nHost: whole.localhost\r\n\r\n`);
        return visitor;
      };
      for (let i = 0; i < 30; i++) {
        ask("/").socket.pause();
        await once(client.ws, "message");
      }
      // This request comes after all of them.
      await ask("/small").until((received) => received.endsWith("ok"));
    });
    expect(rise).toBeLessThan(300 * mebibyte);
    expect(await world.limitHits("queued_bytes")).toBeGreaterThan(0);
    await world.expectHonest(honest);
  });
});
