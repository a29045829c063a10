import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { startDelayProxy } from "../src/delay-proxy.js";

// Lower bounds only: a busy machine makes a link slower, and nothing makes it faster than its options.

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

async function link(delayMs: number, bytesPerSecond: number): Promise<Socket> {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const targetPort = (echo.address() as AddressInfo).port;
  const proxy = await startDelayProxy({ targetPort, port: 0, delayMs, bytesPerSecond });
  const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  cleanups.push(
    () => echo.close(),
    () => proxy.server.close(),
    () => socket.destroy(),
  );
  return socket;
}

describe("the delay proxy", () => {
  it("takes the delay each way", async () => {
    const socket = await link(40, 1e9);
    const startedAt = performance.now();
    socket.write("ping");
    const [chunk] = (await once(socket, "data")) as [Buffer];
    expect(String(chunk)).toBe("ping");
    // A timer may fire up to a millisecond early, once each way.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(78);
  });

  it("carries no more than its capacity, and every byte of it in order", async () => {
    const socket = await link(5, 10e6);
    const sent = randomBytes(3_000_000);
    const startedAt = performance.now();
    socket.end(sent);
    const received: Buffer[] = [];
    for await (const chunk of socket) received.push(chunk as Buffer);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(300);
  });
});
