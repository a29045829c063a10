import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { afterEach, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";

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
