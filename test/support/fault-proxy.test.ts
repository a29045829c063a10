import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.js";

/** The properties of the proxy on which all tests of broken links depend. */
describe("the fault proxy", () => {
  const server = createServer((socket) => {
    serverSide = socket;
    arrived = [];
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      arrived.push(chunk);
      socket.write(chunk);
    });
  });
  let arrived: Buffer[] = [];
  let serverSide: Socket | undefined;
  let proxy: FaultProxy;

  beforeEach(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    proxy = await startFaultProxy((server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    await proxy.close();
    serverSide?.destroy();
    server.close();
    await once(server, "close");
  });

  async function open(): Promise<{ socket: Socket; received: Buffer[]; closed: Promise<unknown> }> {
    const socket = connect(proxy.port, "127.0.0.1");
    const received: Buffer[] = [];
    socket.on("error", () => {});
    socket.on("data", (chunk) => received.push(chunk));
    // Not `once`: it would reject with the error that the cut causes.
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await once(socket, "connect");
    return { socket, received, closed };
  }

  it("passes bytes on in both directions and counts them", async () => {
    const { socket, received, closed } = await open();
    socket.write("hello");
    await once(socket, "data");
    expect(Buffer.concat(received).toString()).toBe("hello");
    expect(proxy.forwarded).toEqual({ up: 5, down: 5 });
    expect(proxy.connections).toBe(1);
    socket.end();
    await closed;
    await proxy.idle();
    expect(proxy.connections).toBe(0);
  });

  it.each([0, 1, 4, 10])("cuts after exactly %i bytes on the way up", async (bytes) => {
    const { socket, closed } = await open();
    proxy.cutAfter("up", bytes);
    socket.write("0123456789");
    await closed;
    await proxy.idle();
    expect(Buffer.concat(arrived).toString()).toBe("0123456789".slice(0, bytes));
    expect(proxy.forwarded.up).toBe(bytes);
  });

  it.each([0, 1, 4, 10])("cuts after exactly %i bytes on the way down", async (bytes) => {
    const { socket, received, closed } = await open();
    proxy.cutAfter("down", bytes);
    socket.write("0123456789");
    await closed;
    expect(Buffer.concat(received).toString()).toBe("0123456789".slice(0, bytes));
  });

  it("flips one byte", async () => {
    const { socket, received } = await open();
    proxy.corruptAt("up", 3);
    socket.write("abcdefgh");
    while (Buffer.concat(received).length < 8) await once(socket, "data");
    expect(Buffer.concat(received).toString("latin1")).toBe(`abc${String.fromCharCode(0x64 ^ 0xff)}efgh`);
  });

  it("goes silent without closing, and takes new connections", async () => {
    const silent = await open();
    silent.socket.write("a");
    await once(silent.socket, "data");
    proxy.halfOpen();
    silent.socket.write("b");
    const other = await open();
    other.socket.write("c");
    await once(other.socket, "data");
    expect(Buffer.concat(silent.received).toString()).toBe("a");
    expect(silent.socket.destroyed).toBe(false);
    expect(proxy.connections).toBe(2);
  });

  it("cuts everything at once", async () => {
    const a = await open();
    const b = await open();
    proxy.cut();
    await Promise.all([a.closed, b.closed, proxy.idle()]);
  });

  it("refuses while told to", async () => {
    proxy.refusing = true;
    const refused = connect(proxy.port, "127.0.0.1");
    await expect(once(refused, "close")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(proxy.accepted).toBe(0);
    proxy.refusing = false;
    const { socket } = await open();
    socket.write("x");
    await once(socket, "data");
  });

  it("delays each direction, without holding back the rate", async () => {
    const { socket, received } = await open();
    proxy.delayMs = 50;
    const startedAt = performance.now();
    const body = Buffer.alloc(4_000_000, "x");
    socket.write(body);
    while (received.reduce((sum, chunk) => sum + chunk.length, 0) < body.length) await once(socket, "data");
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThanOrEqual(100);
    expect(tookMs).toBeLessThan(2_000);
  });

  it("throttles", async () => {
    const { socket, received } = await open();
    proxy.bytesPerSecond = 1_000_000;
    const startedAt = performance.now();
    const body = Buffer.alloc(300_000, "x");
    socket.write(body);
    while (received.reduce((sum, chunk) => sum + chunk.length, 0) < body.length) await once(socket, "data");
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(290);
  });
});
