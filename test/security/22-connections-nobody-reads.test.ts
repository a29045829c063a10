import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { Http2Visitor, plainEntrance } from "../../packages/relay/test/http2-support.js";
import { startRelay, type TestRelay, V1Client } from "../../packages/relay/test/support.js";
import { Http1Request, Http1Response } from "../../packages/relay/src/http/wire/http1.js";
import { createRelay, type RelayOptions } from "../../packages/relay/src/index.js";
import { FrameWriter, preface } from "../fuzz/support/http2-frames.js";
import { closingAfterEach } from "../support/cleanup.js";
import { socketsOpen } from "./support/open-sockets.js";
import { RawVisitor } from "./support/raw-visitor.js";
import { createTestCertificate } from "./support/test-certificate.js";

/**
 * The attack: a connection that the relay has answered, and neither reads nor closes, stays for as long as
 * the other end likes, because nobody sees it leave. `CONNECT` and one more byte was enough, without a token.
 * Some hundreds of them use up the connections that the relay takes. Such a relay did not end on SIGTERM
 * either, because it waited for them.
 *
 * The defence: the relay reads every connection that it holds, or has a deadline for it, in every state. When
 * the relay ends, it cuts all connections, also those that Node's server has forgotten.
 */
const close = closingAfterEach();
const certificate = createTestCertificate();
afterAll(() => certificate.close());

const limits = {
  idleTimeoutMs: 300,
  writeTimeoutMs: 300,
  responseTimeoutMs: 600,
  bodyTimeoutMs: 60_000,
  headerTimeoutMs: 60_000,
} satisfies Partial<RelayOptions>;

const registration =
  "GET /_tunnel/register HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

const emptySettings = "\0\0\0\x04\0\0\0\0\0";

type Scheme = "http" | "https";

async function start(scheme: Scheme, options: Partial<RelayOptions> = {}): Promise<TestRelay> {
  const tls = scheme === "https" ? { tls: { files: [await certificate.files()] } } : {};
  return close(await startRelay({ ...limits, ...tls, ...options }));
}

/**
 * A visitor who stays: he does not close when the relay does. `reads`: he takes the bytes that come to him.
 */
async function stay(port: number, scheme: Scheme, reads = true, alpn = "http/1.1"): Promise<Socket> {
  const options = { host: "127.0.0.1", port, allowHalfOpen: true };
  const socket =
    scheme === "http"
      ? connect(options)
      : connectTls({ ...options, rejectUnauthorized: false, ALPNProtocols: [alpn] });
  socket.on("error", () => {});
  await once(socket, scheme === "http" ? "connect" : "secureConnect");
  if (reads) socket.on("data", () => {});
  close({ close: () => socket.destroy() });
  return socket;
}

/**
 * Waits until only the visitors' own ends are open, and then closes the relay: its end depends on none of
 * them.
 */
async function expectGone(relay: TestRelay, visitors: number): Promise<void> {
  await expect.poll(socketsOpen, { timeout: 15_000, interval: 50 }).toBeLessThanOrEqual(visitors);
  await relay.close();
}

describe.each<Scheme>(["http", "https"])("over %s", (scheme) => {
  it("what is answered once and for all keeps no connection, whatever comes late", async () => {
    const relay = await start(scheme);
    const said = [
      "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x.localhost\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\n",
      "nonsense\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n",
    ];
    await Promise.all(
      [...said, ...said, ...said].map(async (text) => {
        const visitor = await stay(relay.port, scheme);
        visitor.once("data", () => visitor.write("late"));
        visitor.write(text);
      }),
    );
    await expectGone(relay, 15);
  });

  it("answers of the relay's own that nobody takes keep no connection", async () => {
    const relay = await start(scheme);
    const visitor = await stay(relay.port, scheme, false);
    // Each request is complete: an incomplete head would have a deadline of its own. Node stops reading once
    // answers pile up.
    const requests = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    const ask = (): void => {
      while (!visitor.closed && visitor.write(requests));
    };
    visitor.on("drain", ask);
    ask();
    await expectGone(relay, 1);
  });

  it("a registration that is refused keeps no connection", async () => {
    const relay = await start(scheme, { maxRegistrationsPerMinute: 1, limitExempt: [] });
    const first = await stay(relay.port, scheme);
    first.write(registration);
    await once(first, "data");
    first.destroy();
    const visitors = await Promise.all([1, 2, 3].map(() => stay(relay.port, scheme)));
    // No such WebSocket version exists. This is another refusal, which comes first.
    const odd = registration.replace("Version: 13", "Version: 99");
    for (const [i, visitor] of visitors.entries()) visitor.write(`${i === 0 ? odd : registration}late`);
    await expectGone(relay, 3);
  });

  it("the relay ends in the midst of an answer whose end is that of the connection", async () => {
    const relay = await start("http");
    const secure = await start("https", { responseTimeoutMs: 60_000 });
    const target = scheme === "http" ? relay : secure;
    const entrance = scheme === "http" ? target : close(await plainEntrance(target.port));
    const client = close(await V1Client.connect(entrance.port, "x"));
    const visitor = await stay(target.port, scheme);
    visitor.write("GET / HTTP/1.0\r\nHost: x.localhost\r\n\r\n");
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("half of it"));
    await once(visitor, "data");
    await target.close();
    expect((await target.record(1)).outcome).toBe("cut");
  });

  it("the relay ends while connections say nothing at all, and while they are registering", async () => {
    const relay = await start(scheme, { idleTimeoutMs: 60_000, registrationTimeoutMs: 60_000 });
    await stay(relay.port, scheme);
    // This one sends no handshake where the relay expects one.
    await stay(relay.port, "http");
    const client = await stay(relay.port, scheme);
    client.write(registration);
    const before = performance.now();
    await relay.close();
    // Neither the 5 s that a registration has to say goodbye, nor the 60 s of the other connections.
    expect(performance.now() - before).toBeLessThan(4_000);
  });
});

describe("answers in a pipeline", () => {
  it("that wait behind a quiet one keep no connection whose visitor has left", async () => {
    const relay = await start("http", { responseTimeoutMs: 60_000 });
    const client = close(await V1Client.connect(relay.port, "x"));
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.send("GET /events HTTP/1.1\r\nHost: x.localhost\r\n\r\n");
    const { stream, wasReset } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Type", "text/event-stream"] });
    await visitor.until((received) => received.includes("\r\n\r\n"));
    // So many requests that Node stops reading the connection.
    visitor.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(300));
    await expect.poll(() => relay.records.length).toBeGreaterThan(100);
    visitor.close();
    expect((await wasReset).code).toBe("cancelled");
    await expect.poll(socketsOpen, { timeout: 15_000, interval: 50 }).toBe(2);
  });

  it("one that waits behind a slow one costs neither of them anything", async () => {
    const relay = await start("http", { responseTimeoutMs: 60_000 });
    const client = close(await V1Client.connect(relay.port, "x"));
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.send(
      "GET /slow HTTP/1.1\r\nHost: x.localhost\r\n\r\nGET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n",
    );
    const { stream } = await client.accept();
    await relay.record(1);
    // Longer than an answer may wait for its visitor.
    await new Promise((resolve) => setTimeout(resolve, 3 * limits.writeTimeoutMs));
    stream.sendHead({ status: 200, headers: [] }, true);
    expect(await visitor.until((received) => received.includes("tunnel not found"))).toMatch(
      /^HTTP\/1.1 200 /,
    );
  });
});

describe("over HTTP/2", () => {
  it("a session that is closed goes even though the visitor stays, and reads nothing", async () => {
    const relay = await start("https");
    const reader = await stay(relay.port, "https", true, "h2");
    const silent = await stay(relay.port, "https", false, "h2");
    for (const visitor of [reader, silent]) {
      expect((visitor as TLSSocket).alpnProtocol).toBe("h2");
      visitor.write(`${preface}${emptySettings}`, "latin1");
    }
    await expectGone(relay, 2);
  });

  it("the relay ends although a visitor stays", async () => {
    const relay = await start("https", { idleTimeoutMs: 60_000 });
    const visitor = await stay(relay.port, "https", true, "h2");
    visitor.write(`${preface}${emptySettings}`, "latin1");
    await once(visitor, "data");
    await relay.close();
  });

  it("a session that broke the protocol is not kept by a stream that is open; a quiet one is", async () => {
    const relay = await start("https", { responseTimeoutMs: 60_000 });
    const entrance = close(await plainEntrance(relay.port));
    const client = close(await V1Client.connect(entrance.port, "x"));
    const honest = close(await Http2Visitor.connect(relay.port));
    const quiet = honest.request({ ":authority": "x.localhost" });
    const kept = await client.accept();
    kept.stream.sendHead({ status: 200, headers: ["Content-Type", "text/event-stream"] });
    await quiet.head;

    const breaker = await stay(relay.port, "https", true, "h2");
    const writer = new FrameWriter();
    const fields = { ":method": "GET", ":scheme": "https", ":authority": "x.localhost", ":path": "/" };
    breaker.write(preface, "latin1");
    breaker.write(writer.bytes({ frame: [4, 0, 0, ""] }));
    breaker.write(writer.bytes({ head: [5, "new", Object.entries(fields)] }));
    const lost = await client.accept();
    // Longer than any frame may be. The relay's HTTP/2 says goodbye and reads no more, without an event.
    breaker.write(writer.bytes({ frame: [0, 0, 1, "", 7_000_000] }));
    expect((await lost.wasReset).code).toBe("cancelled");

    kept.stream.write(Buffer.from("data: still here\n\n"));
    await quiet.read().until(10);
  });

  it("a body of which nothing is taken ends in time, whatever room the visitor gives the session", async () => {
    const relay = await start("https");
    const entrance = close(await plainEntrance(relay.port));
    const client = close(await V1Client.connect(entrance.port, "x"));
    const visitor = await stay(relay.port, "https", true, "h2");
    const writer = new FrameWriter();
    const fields = { ":method": "GET", ":scheme": "https", ":authority": "x.localhost", ":path": "/" };
    visitor.write(preface, "latin1");
    // Each stream has an initial window of 0.
    visitor.write(writer.bytes({ frame: [4, 0, 0, "\0\x04\0\0\0\0"] }));
    visitor.write(writer.bytes({ head: [5, "new", Object.entries(fields)] }));
    const { stream, wasReset } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.alloc(500_000));
    const nudge = setInterval(() => visitor.write(writer.bytes({ frame: [8, 0, 0, "\0\0\0\x01"] })), 20);
    close({ close: () => clearInterval(nudge) });
    expect((await wasReset).code).toBe("cancelled");
  });

  it("an answer of the relay's own for which the visitor gives no room ends in time", async () => {
    const relay = await start("https");
    const session = connectHttp2(`https://127.0.0.1:${relay.port}`, {
      rejectUnauthorized: false,
      settings: { initialWindowSize: 0 },
    });
    close({ close: () => session.destroy() });
    await once(session, "remoteSettings");
    for (const authority of ["localhost", "nobody.localhost", "elsewhere.test"]) {
      const stream = session.request({ ":authority": authority, ":path": "/" });
      stream.on("error", () => {});
      await new Promise((resolve) => stream.on("close", resolve));
      expect(stream.rstCode).not.toBe(0);
    }
  });
});

describe("a tunnel that takes no more of what its visitor sends", () => {
  const head = "POST / HTTP/1.1\r\nHost: x.localhost\r\nContent-Length: 4000000\r\n\r\n";

  it.each([
    ["and has begun to answer", false],
    ["and has answered", true],
  ])("%s does not keep the connection of one who has left", async (_name, end) => {
    const relay = await start("http");
    const client = close(await V1Client.connect(relay.port, "x"));
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.send(head + "b".repeat(3_999_999));
    const exchange = await client.accept();
    exchange.consuming = false;
    exchange.stream.sendHead({ status: 200, headers: end ? ["Content-Length", "0"] : [] }, end);
    await exchange.bytes(1_000_000);
    visitor.close();
    // The two ends of the client's connection are left.
    await expect.poll(socketsOpen, { timeout: 15_000, interval: 50 }).toBe(2);
    expect((await exchange.wasReset).code).toBe(end ? "cancelled" : "upstream_timeout");
  });

  it("does not keep an upgraded one either", async () => {
    const relay = await start("http");
    const client = close(await V1Client.connect(relay.port, "x"));
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.send("GET / HTTP/1.1\r\nHost: x.localhost\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\n");
    const exchange = await client.accept();
    exchange.consuming = false;
    exchange.stream.sendHead({ status: 101, headers: ["Connection", "Upgrade", "Upgrade", "y"] });
    await visitor.until((received) => received.includes("101"));
    visitor.send("b".repeat(4_000_000));
    await exchange.bytes(1_000_000);
    visitor.close();
    await expect.poll(socketsOpen, { timeout: 15_000, interval: 50 }).toBe(2);
    expect((await exchange.wasReset).code).toBe("upstream_timeout");
  });
});

describe("an early answer, with more of the request to come", () => {
  const post = "POST / HTTP/1.1\r\nHost: x.localhost\r\nContent-Length: 1000000\r\n\r\n";

  it("leaves nothing behind in the tunnel when its visitor leaves without reading it", async () => {
    const relay = createRelay({
      domain: "localhost",
      host: "127.0.0.1",
      port: 0,
      tls: { files: [await certificate.files()] },
    });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    const entrance = close(await plainEntrance(port));
    const client = close(await V1Client.connect(entrance.port, "x"));
    const session = connectHttp2(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      settings: { initialWindowSize: 0 },
    });
    session.on("error", () => {});
    await once(session, "remoteSettings");
    for (let i = 0; i < 20; i++) {
      const visit = session.request({ ":method": "POST", ":authority": "x.localhost" }, { endStream: false });
      visit.on("error", () => {});
      const { stream } = await client.accept();
      stream.sendHead({ status: 200, headers: [] });
      stream.write(Buffer.alloc(20_000));
      stream.end();
      stream.reset("no_error");
      await once(visit, "response");
    }
    session.destroy();
    // The client may wait three seconds before it acknowledges the requests.
    await expect.poll(() => relay.tunnels()[0]?.queuedBytes, { timeout: 10_000 }).toBe(0);
    expect(relay.tunnels()[0]?.streams).toBe(0);
  });

  it("reaches a visitor who is slow to read it whole", async () => {
    const relay = await start("http", { writeTimeoutMs: 60_000 });
    const client = close(await V1Client.connect(relay.port, "x"));
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.socket.pause();
    visitor.send(`${post}begun`);
    const { stream } = await client.accept();
    const size = 4_000_000;
    stream.sendHead({ status: 200, headers: ["Content-Length", String(size)] });
    stream.write(Buffer.alloc(size, "a"));
    stream.end();
    stream.reset("no_error");
    // Longer than the relay goes on reading the rest of the request.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    visitor.socket.resume();
    expect((await visitor.all()).split("\r\n\r\n")[1]?.length).toBe(size);
    expect((await relay.record(1)).outcome).toBe("completed");
  });
});

it("an answer that its visitor left behind is not whole", async () => {
  const server = createServer({ IncomingMessage: Http1Request, ServerResponse: Http1Response });
  close({ close: () => server.close() });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const visitor = close(new RawVisitor({ port: (server.address() as AddressInfo).port }));
  visitor.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const [, response] = (await once(server, "request")) as [Http1Request, Http1Response];
  visitor.socket.pause();
  // More than any kernel buffers.
  response.end(Buffer.alloc(50_000_000));
  visitor.socket.resetAndDestroy();
  await once(response, "close");
  // Before Node 24, Node's own `writableFinished` is true here.
  expect(response.isWhole).toBe(false);
});
