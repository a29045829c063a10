import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { type Masks, WebSocketLink } from "mcp-tunnel-protocol/ws";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { bytesAt } from "../../../test/support/bytes.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";

afterEach(() => {
  vi.useRealTimers();
});

it("waits for no answer when it is closed after the peer has closed", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  const peerClosed = new Promise((resolve) => {
    server.on("connection", (peer) => {
      peer.on("close", resolve);
      peer.close(4001, "invalid token");
    });
  });
  await once(server, "listening");
  const ws = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const upgraded = once(ws, "upgrade");
  await once(ws, "open");
  const [response] = (await upgraded) as [{ socket: Socket }];
  const link = new WebSocketLink(ws, response.socket);
  const closed = new Promise<[number, string]>((resolve) => {
    link.handler = {
      onMessage() {},
      onClose: (code, reason) => {
        // Some owners close a link that has ended.
        link.close(1000, "");
        resolve([code, reason]);
      },
    };
  });
  expect(await closed).toEqual([4001, "invalid token"]);
  await peerClosed;
  server.close();
  await once(server, "close");
  // A timer that was left would hold the process until the answer to a close that was never sent.
  expect(vi.getTimerCount()).toBe(0);
});

describe("messages of every length", () => {
  const closing = closingAfterEach();
  const lengths = [0, 1, 125, 126, 127, 4_095, 4_096, 4_097, 65_535, 65_536, 1];

  /** A link of one end, and the WebSocket of `ws` at the other, which takes no frame that breaks a rule. */
  async function linkTo(end: "server" | "client", masks: Masks): Promise<[WebSocketLink, WebSocket]> {
    const webSockets = closing(new WebSocketServer({ port: 0, host: "127.0.0.1" }));
    const accepted = once(webSockets, "connection") as Promise<[WebSocket, { socket: Socket }]>;
    await once(webSockets, "listening");
    const options = masks === "zeros" ? { generateMask: (mask: Buffer) => void mask.fill(0) } : {};
    const ws = new WebSocket(`ws://127.0.0.1:${(webSockets.address() as AddressInfo).port}`, options);
    const upgraded = once(ws, "upgrade") as Promise<[{ socket: Socket }]>;
    const [[peer, request], [response]] = await Promise.all([accepted, upgraded, once(ws, "open")]);
    return end === "server"
      ? [new WebSocketLink(peer, request.socket, masks), ws]
      : [new WebSocketLink(ws, response.socket, masks), peer];
  }

  it.each([
    ["server", "none"],
    ["server", "random"],
    ["client", "zeros"],
    ["client", "random"],
  ] as const)("arrive whole and in order from a %s whose masks are %s", async (end, masks) => {
    const [link, peer] = await linkTo(end, masks);
    const got: string[] = [];
    peer.on("message", (data: Buffer, isBinary) => got.push(`${isBinary} ${data.toString("base64")}`));
    peer.on("ping", () => got.push("ping"));
    const sent: string[] = [];
    for (const [at, length] of lengths.entries()) {
      const message = bytesAt(at * 100_000, length);
      sent.push(`true ${message.toString("base64")}`, `false ${Buffer.from("text").toString("base64")}`);
      link.send(message);
      link.send("text");
      if (at % 2 === 1) continue;
      sent.push("ping");
      link.ping();
    }
    const closed = once(peer, "close");
    link.close(1000, "done");
    expect((await closed)[0]).toBe(1000);
    expect(got).toEqual(sent);
  });
});
