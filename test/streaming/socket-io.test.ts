import { lookup } from "node:dns";
import { once } from "node:events";
import { Agent, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket as ServerSocket } from "socket.io";
import { io, type Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type CommandTunnel, startTunnel } from "./support.js";

const http = createServer();
const server = new Server(http, { maxHttpBufferSize: 10_000_000 });
let tunnel: CommandTunnel;
beforeAll(async () => {
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  tunnel = await startTunnel((http.address() as AddressInfo).port);
});
afterAll(async () => {
  await tunnel.close();
  await server.close();
});
const closing = closingAfterEach();

/** Finds names under `.localhost` on this machine, as browsers do. */
const localAgent = new Agent({
  lookup: (_host, options, callback) => lookup("127.0.0.1", options, callback),
});

describe.each([
  { transports: ["polling"] as const, last: "polling" },
  { transports: ["websocket"] as const, last: "websocket" },
  { transports: ["polling", "websocket"] as const, last: "websocket" },
])("socket.io over $transports", ({ transports, last }) => {
  async function connected(): Promise<{ visitor: Socket; local: ServerSocket }> {
    const accepted = once(server, "connection") as Promise<[ServerSocket]>;
    const visitor = io(tunnel.client.url, {
      transports: [...transports],
      // The types of the library only know the browser, where there is no agent.
      agent: localAgent as unknown as string,
      reconnection: false,
      forceNew: true,
    });
    closing({ close: () => visitor.disconnect() });
    const failed = new Promise<never>((_resolve, reject) => visitor.on("connect_error", reject));
    await Promise.race([new Promise<void>((resolve) => visitor.on("connect", resolve)), failed]);
    const { engine } = visitor.io;
    if (engine.transport.name !== last) await new Promise((resolve) => engine.once("upgrade", resolve));
    expect(engine.transport.name).toBe(last);
    return { visitor, local: (await accepted)[0] };
  }

  it("carries events and their answers both ways, in order", async () => {
    const { visitor, local } = await connected();
    local.on("double", (value: number, answer: (value: number) => void) => answer(value * 2));
    const doubled = Array.from(
      { length: 100 },
      (_, i) => visitor.emitWithAck("double", i) as Promise<number>,
    );
    expect(await Promise.all(doubled)).toEqual(Array.from({ length: 100 }, (_, i) => i * 2));

    const seen: number[] = [];
    visitor.on("count", (value: number) => seen.push(value));
    visitor.on("last", (answer: () => void) => answer());
    for (let i = 0; i < 100; i++) local.emit("count", i);
    await local.emitWithAck("last");
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("carries a megabyte of bytes both ways", async () => {
    const { visitor, local } = await connected();
    const bytes = bytesAt(0, 1_000_000);
    local.on("echo", (data: Buffer, answer: (data: Buffer) => void) => answer(data));
    expect(bytes.equals((await visitor.emitWithAck("echo", bytes)) as Buffer)).toBe(true);
  });

  it("tells the service when the visitor leaves", async () => {
    const { visitor, local } = await connected();
    const left = once(local, "disconnect");
    visitor.disconnect();
    expect((await left)[0]).toBe("client namespace disconnect");
  });
});
