import { once } from "node:events";
import { createHash } from "node:crypto";
import { constants, sensitiveHeaders } from "node:http2";
import { headerValue } from "mcp-tunnel-protocol";
import { beforeAll, describe, expect, it } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import type { CertificateFiles, RelayOptions } from "../src/index.js";
import { Http2Visitor, plainEntrance } from "./http2-support.js";
import { startRelay, V1Client } from "./support.js";

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;

const opened = closingAfterEach();
let files: CertificateFiles;

beforeAll(async () => {
  const folder = createFolder();
  const pair = await (await createAuthority()).issue(["localhost", "127.0.0.1"]);
  files = { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
  return () => folder.close();
});

async function tunnel(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay({ tls: { files: [files] }, ...options }));
  const entrance = opened(await plainEntrance(relay.port));
  const client = opened(await V1Client.connect(entrance.port, "app"));
  const visitor = opened(await Http2Visitor.connect(relay.port));
  return { relay, client, visitor };
}

describe("a request over HTTP/2", () => {
  it("passes bytes beyond ASCII in its target on as they are", async () => {
    const { client, visitor } = await tunnel();
    visitor.request({ ":path": "/caf\xc3\xa9?q=\xff" });
    expect((await client.accept()).head.path).toBe("/caf\xc3\xa9?q=\xff");
  });

  it("reaches the client as one of HTTP/1.1, with nothing of HTTP/2 in it", async () => {
    const { client, visitor } = await tunnel();
    visitor.request({
      ":path": "/a//b/../%2f?x=1&x=2",
      "x-b": ["1", "2"],
      cookie: ["a=1", "b=2", "c=3"],
      te: "trailers",
      "x-raw": "caf\xe9",
      "x-forwarded-for": "9.9.9.9",
    });
    const { head } = await client.accept();
    expect(head).toMatchObject({ method: "GET", path: "/a//b/../%2f?x=1&x=2" });
    expect(head.headers).toEqual([
      "host",
      "app.localhost",
      "x-b",
      "1",
      "x-b",
      "2",
      "cookie",
      "a=1; b=2; c=3",
      "x-raw",
      "caf\xe9",
      "X-Forwarded-For",
      "127.0.0.1",
      "X-Forwarded-Host",
      "app.localhost",
      "X-Forwarded-Proto",
      "https",
      "X-Request-Id",
      expect.any(String) as string,
      "X-Tunnel-Visitor",
      "127.0.0.1",
    ]);
  });

  it("may say its host twice, but not two of them", async () => {
    const { client, visitor } = await tunnel();
    visitor.request({ host: "app.localhost" });
    const { head } = await client.accept();
    expect(head.headers.filter((field) => field.toLowerCase() === "host")).toHaveLength(1);
    const twofold = visitor.request({ host: "other.localhost" }).read();
    expect(await twofold.head).toMatchObject({ ":status": 400, "x-tunnel-error": "invalid_host" });
  });

  it("sends its body in pieces, with its trailers, and reports no abort", async () => {
    const { relay, client, visitor } = await tunnel();
    const { stream } = visitor.request({ ":method": "POST" }, null).read();
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "5" }));
    stream.write("abc");
    const exchange = await client.accept();
    await exchange.bytes(3);
    stream.end("de");
    await exchange.ended;
    expect(exchange.body).toBe("abcde");
    exchange.stream.sendHead({ status: 200, headers: [] });
    exchange.stream.end();
    expect(await relay.record(1)).toMatchObject({ outcome: "completed", status: 200, requestBytes: 5 });
  });

  it("passes trailers on", async () => {
    const { client, visitor } = await tunnel();
    const request = visitor.session.request(
      { ":authority": "app.localhost", ":method": "POST" },
      { waitForTrailers: true },
    );
    opened({ close: () => request.destroy() });
    request.on("wantTrailers", () => request.sendTrailers({ "x-sum": "3" }));
    request.end("abc");
    expect(await (await client.accept()).ended).toEqual(["x-sum", "3"]);
  });

  it("is not read faster than the client takes it", async () => {
    const { client, visitor } = await tunnel({ maxRequestBodyBytes: 1e9 });
    const { stream } = visitor.request({ ":method": "POST" }, null);
    const fast = visitor.request({ ":path": "/fast" }).read();
    const slow = await client.accept();
    const other = await client.accept();
    slow.consuming = false;
    const chunk = Buffer.alloc(65_536);
    let sent = 0;
    // The loop ends when nothing more leaves, and the windows of the whole way are full.
    while (stream.write(chunk)) sent += chunk.length;
    stream.on("drain", () => {
      while (stream.write(chunk)) sent += chunk.length;
    });
    other.stream.sendHead({ status: 200, headers: [] });
    other.stream.end(["x-t", "1"]);
    expect((await fast.closed).ended).toBe(true);
    const heldBack = sent;
    slow.consuming = true;
    slow.stream.consumed(slow.body.length);
    await slow.bytes(heldBack + 8 * 1_048_576);
    stream.close(NGHTTP2_CANCEL);
    await slow.wasReset;
  });

  it("is cut at the tunnel when the visitor leaves, whenever that is", async () => {
    const { relay, client, visitor } = await tunnel();
    const early = visitor.request({ ":path": "/early" });
    const first = await client.accept();
    early.stream.close(NGHTTP2_CANCEL);
    expect((await first.wasReset).code).toBe("cancelled");
    expect(await relay.record(1)).toMatchObject({ outcome: "cancelled", status: undefined });

    const late = visitor.request({ ":path": "/late" }).read();
    const second = await client.accept();
    second.stream.sendHead({ status: 200, headers: [] });
    second.stream.write(Buffer.from("half"));
    await late.until(4);
    visitor.close();
    expect((await second.wasReset).code).toBe("cancelled");
    expect(await relay.record(2)).toMatchObject({ outcome: "cancelled", status: 200 });
  });

  it("is refused when its body is too large, in words that arrive", async () => {
    const { client, visitor } = await tunnel({ maxRequestBodyBytes: 100_000 });
    const declared = visitor
      .request({ ":method": "POST", "content-length": 100_001 }, Buffer.alloc(100_001))
      .read();
    expect(await declared.head).toMatchObject({ ":status": 413 });
    expect(await declared.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
    const undeclared = visitor.request({ ":method": "POST" }, Buffer.alloc(100_001)).read();
    expect((await (await client.accept()).wasReset).code).toBe("body_too_large");
    expect(await undeclared.head).toMatchObject({ ":status": 413 });
    expect(await undeclared.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
  });

  it.each([{}, { te: "trailers" }])("need not send a body that nobody wants (%o)", async (more) => {
    const { visitor } = await tunnel();
    const patient = visitor
      .request({ ":method": "POST", ":authority": "none.localhost", expect: "100-continue", ...more }, null)
      .read();
    expect(await patient.head).toMatchObject({ ":status": 502 });
    expect(await patient.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
    expect(patient.body).toBe("tunnel not found");
  });

  it("is told to send its body when the client asks for it", async () => {
    const { client, visitor } = await tunnel();
    const { stream, head } = visitor.request({ ":method": "POST", expect: "100-continue" }, null).read();
    const exchange = await client.accept();
    exchange.stream.sendInterim({ status: 100, headers: [] });
    await once(stream, "continue");
    stream.end("now");
    await exchange.ended;
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    exchange.stream.end();
    expect((await head)[":status"]).toBe(204);
  });

  it("gets its JSON-RPC id back in an error", async () => {
    const { visitor } = await tunnel();
    const call = visitor
      .request(
        { ":method": "POST", ":authority": "none.localhost", "content-type": "application/json" },
        '{"jsonrpc":"2.0","id":7,"method":"tools/call"}',
      )
      .read();
    await call.closed;
    expect(JSON.parse(call.body)).toMatchObject({ id: 7, error: { message: "tunnel not found" } });
  });

  it("cannot be a CONNECT to anything but a WebSocket", async () => {
    const { visitor } = await tunnel();
    // The request ends at once, because the client of Node 22.23 forgets an answer that is followed by
    // RST_STREAM with NO_ERROR (RFC 9113 section 8.1).
    expect((await visitor.request({ ":method": "CONNECT" }).read().head)[":status"]).toBe(501);
    const other = visitor.request({ ":method": "CONNECT", ":protocol": "webtransport", ":path": "/" });
    expect((await other.read().head)[":status"]).toBe(501);
  });
});

describe("a response over HTTP/2", () => {
  it("has the fields of the local service, without those of its connection", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendHead({
      status: 203,
      headers: [
        "X-Mixed",
        "caf\xe9",
        "Set-Cookie",
        "a=1",
        "Set-Cookie",
        "b=2, c",
        "Vary",
        "a",
        "vary",
        "b",
        "Content-Type",
        "text/plain",
        "HTTP2-Settings",
        "AAMAAABkAAQAAP__",
        "Keep-Alive",
        "timeout=5",
        "Connection",
        "X-Hop",
        "X-Hop",
        "1",
        "__proto__",
        "x",
        "WWW-Authenticate",
        "Basic",
        "WWW-Authenticate",
        "Bearer",
      ],
    });
    stream.write(Buffer.from("body"));
    stream.end();
    const head = await visit.head;
    expect(head).toMatchObject({
      ":status": 203,
      "x-mixed": "caf\xe9",
      "set-cookie": ["a=1", "b=2, c"],
      vary: "a, b",
      "www-authenticate": "Basic, Bearer",
      date: expect.any(String) as string,
    });
    expect(Object.keys(head)).not.toContain("keep-alive");
    expect(Object.keys(head)).not.toContain("http2-settings");
    expect(Object.keys(head)).not.toContain("x-hop");
    await visit.closed;
    expect(visit.body).toBe("body");
  });

  it("keeps what never comes again out of the table of fields, and leaves the rest in it", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["X-A", "1"] });
    stream.end(["X-Sum", "4"]);
    const head: object = await visit.head;
    expect(head).toMatchObject({ "x-a": "1", "x-request-id": expect.any(String) as string });
    expect(Reflect.get(head, sensitiveHeaders)).toEqual(["x-request-id"]);
  });

  it("may have interim heads before it", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendInterim({ status: 103, headers: ["Link", "</a.css>; rel=preload"] });
    stream.sendHead({ status: 200, headers: [] }, true);
    stream.end();
    await visit.closed;
    expect(visit.interim).toMatchObject([{ ":status": 103, link: "</a.css>; rel=preload" }]);
  });

  it("has trailers for a visitor who wants them, and ends all the same for others", async () => {
    const { client, visitor } = await tunnel();
    for (const te of ["trailers", undefined]) {
      const visit = visitor.request(te === undefined ? {} : { te }).read();
      const { stream } = await client.accept();
      stream.sendHead({ status: 200, headers: [] });
      stream.write(Buffer.from("body"));
      stream.end(["X-Sum", "4"]);
      expect(await visit.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
      expect(visit.body).toBe("body");
      expect(visit.trailers?.["x-sum"]).toBe(te === undefined ? undefined : "4");
    }
  });

  it.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 205],
    ["GET", 304],
  ])("has no body after %s and %i, whatever the service sends", async (method, status) => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request({ ":method": method }).read();
    const { stream } = await client.accept();
    stream.sendHead({ status, headers: ["Content-Length", "4"] });
    stream.write(Buffer.from("body"));
    stream.end();
    expect(await visit.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
    expect(visit.bytes).toBe(0);
    expect(await relay.record(1)).toMatchObject({ status, outcome: "completed" });
  });

  it.each([600, 999])("is a 500 for %i, which Node cannot send over HTTP/2", async (status) => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendHead({ status, headers: ["X-A", "1"] });
    stream.write(Buffer.from("body"));
    stream.end();
    expect(await visit.head).toMatchObject({ ":status": 500, "x-a": "1" });
    expect(await visit.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
    expect(visit.body).toBe("body");
    expect(await relay.record(1)).toMatchObject({ status: 500, outcome: "completed" });
  });

  it("that is cut together with its head shows the visitor the head", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendHead({ status: 413, headers: [] });
    stream.reset("upstream_failed", "gone");
    expect(await visit.head).toMatchObject({ ":status": 413 });
    expect(await visit.closed).toEqual({ code: NGHTTP2_INTERNAL_ERROR, ended: false });
  });

  it("that is cut does not look complete, even with much of it still on its way", async () => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("half"));
    await visit.until(4);
    stream.reset("upstream_failed", "gone");
    expect(await visit.closed).toEqual({ code: NGHTTP2_INTERNAL_ERROR, ended: false });
    expect(await relay.record(1)).toMatchObject({ outcome: "cut", status: 200 });

    const slow = visitor.request({});
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 200, headers: [] });
    // The data is more than the visitor's window, so it stays with the relay.
    exchange.stream.write(Buffer.alloc(900_000));
    await slow.head;
    exchange.stream.reset("upstream_failed", "gone");
    await relay.record(2);
    slow.read();
    expect(await slow.closed).toEqual({ code: NGHTTP2_INTERNAL_ERROR, ended: false });
  });

  it("waits for a slow visitor without holding up the others", async () => {
    const { client, visitor } = await tunnel({ maxResponseBodyBytes: 1e9 });
    const slow = visitor.request({ ":path": "/slow" });
    const big = await client.accept();
    big.stream.sendHead({ status: 200, headers: [] });
    const total = 20 * 1_048_576;
    let sent = 0;
    let stalled: (() => void) | undefined;
    const write = (): void => {
      while (sent < total) {
        sent += 65_536;
        if (!big.stream.write(Buffer.alloc(65_536, "x"))) {
          stalled?.();
          return;
        }
      }
      big.stream.end();
    };
    big.onDrain = write;
    await new Promise<void>((resolve) => {
      stalled = resolve;
      write();
    });
    for (let i = 0; i < 20; i++) {
      const quick = visitor.request({ ":path": "/quick" }).read();
      const { stream } = await client.accept();
      stream.sendHead({ status: 200, headers: [] });
      stream.write(Buffer.from("quick"));
      stream.end();
      await quick.closed;
      expect(quick.body).toBe("quick");
    }
    expect(sent).toBeLessThan(total / 2);
    slow.read();
    expect(await slow.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
    expect(slow.bytes).toBe(total);
  });

  it("that is there before the request's end leaves the rest to the service", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request({ ":method": "POST" }, null).read();
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 200, headers: [] });
    exchange.stream.end();
    await visit.head;
    visit.stream.end("late");
    await exchange.ended;
    expect(exchange.body).toBe("late");
    expect(await visit.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
  });
});

describe("a WebSocket over HTTP/2 (RFC 8441)", () => {
  const connectHead = {
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":path": "/ws",
    "sec-websocket-version": "13",
    "sec-websocket-protocol": "mcp",
  };
  const acceptOf = (key: string): string =>
    createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

  it("is offered in the settings", async () => {
    const { visitor } = await tunnel();
    expect(visitor.session.remoteSettings).toMatchObject({
      enableConnectProtocol: true,
      maxConcurrentStreams: 100,
    });
  });

  it("has no length: what follows its head would be a body and frames at once", async () => {
    const { visitor } = await tunnel();
    const visit = visitor.request({ ...connectHead, "content-length": "5" }, null).read();
    expect(await visit.head).toMatchObject({ ":status": 501, "x-tunnel-error": "upgrade_with_body" });
  });

  it("is an upgrade to the local service, with a handshake of its own", async () => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request(connectHead, null).read();
    const exchange = await client.accept();
    const { head, stream } = exchange;
    expect(head).toMatchObject({ method: "GET", path: "/ws", upgrade: true });
    const key = headerValue(head.headers, "sec-websocket-key") ?? "";
    expect(Buffer.from(key, "base64")).toHaveLength(16);
    expect(headerValue(head.headers, "upgrade")).toBe("websocket");
    expect(headerValue(head.headers, "connection")).toBe("Upgrade");
    expect(headerValue(head.headers, "sec-websocket-protocol")).toBe("mcp");
    expect(headerValue(head.headers, "x-tunnel-visitor")).toBe("127.0.0.1");
    stream.sendHead({
      status: 101,
      headers: [
        "Upgrade",
        "websocket",
        "Sec-WebSocket-Accept",
        acceptOf(key),
        "Sec-WebSocket-Protocol",
        "mcp",
      ],
    });
    const answer = await visit.head;
    expect(answer).toMatchObject({ ":status": 200, "sec-websocket-protocol": "mcp" });
    expect(answer).not.toHaveProperty("sec-websocket-accept");
    expect(answer).not.toHaveProperty("upgrade");
    stream.write(Buffer.from("hello"));
    await visit.until(5);
    visit.stream.end("goodbye");
    await exchange.ended;
    expect(exchange.body).toBe("goodbye");
    stream.end();
    expect(await visit.closed).toEqual({ code: NGHTTP2_NO_ERROR, ended: true });
    expect(await relay.record(1)).toMatchObject({
      outcome: "completed",
      status: 101,
      requestBytes: 7,
      responseBytes: 5,
    });
  });

  it("stays when the service ends its direction first", async () => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request(connectHead, null).read();
    const exchange = await client.accept();
    const key = headerValue(exchange.head.headers, "sec-websocket-key") ?? "";
    exchange.stream.sendHead({ status: 101, headers: ["Sec-WebSocket-Accept", acceptOf(key)] });
    exchange.stream.end();
    await once(visit.stream, "end");
    visit.stream.end("still here");
    await exchange.ended;
    expect(exchange.body).toBe("still here");
    expect(await relay.record(1)).toMatchObject({ outcome: "completed" });
  });

  it("that the service refuses is refused with its status and body", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request(connectHead, null).read();
    const { stream } = await client.accept();
    stream.sendHead({ status: 403, headers: ["Content-Length", "2"] });
    stream.write(Buffer.from("no"));
    stream.end();
    expect((await visit.head)[":status"]).toBe(403);
    await visit.closed;
    expect(visit.body).toBe("no");
  });

  it("is not taken for open when the service answers without one", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request(connectHead, null).read();
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.end();
    expect((await visit.head)[":status"]).toBe(502);
  });

  it("is not opened with a service that does not know the handshake", async () => {
    const { client, visitor } = await tunnel();
    const visit = visitor.request(connectHead, null).read();
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 101, headers: ["Sec-WebSocket-Accept", acceptOf("another key")] });
    expect(await visit.head).toMatchObject({ ":status": 502, "x-tunnel-error": "invalid_response" });
    expect((await exchange.wasReset).code).toBe("bad_message");
  });

  it("ends at the service when the visitor's connection breaks", async () => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request(connectHead, null).read();
    const exchange = await client.accept();
    const key = headerValue(exchange.head.headers, "sec-websocket-key") ?? "";
    exchange.stream.sendHead({ status: 101, headers: ["Sec-WebSocket-Accept", acceptOf(key)] });
    await visit.head;
    visitor.close();
    expect((await exchange.wasReset).code).toBe("cancelled");
    expect(await relay.record(1)).toMatchObject({ outcome: "cancelled" });
  });

  it("is no way for a client to register", async () => {
    const { visitor } = await tunnel();
    for (const authority of ["localhost", "app.localhost"]) {
      const visit = visitor.request(
        { ...connectHead, ":path": "/_tunnel/register", ":authority": authority },
        null,
      );
      expect((await visit.read().head)[":status"]).toBe(426);
    }
  });
});

describe("a relay with HTTP/2 visitors that shuts down", () => {
  it("lets them finish, takes no more, and closes their connections", async () => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("first, "));
    await visit.until(7);
    const goaway = once(visitor.session, "goaway");
    const closed = relay.close(10_000);
    expect((await goaway)[0]).toBe(NGHTTP2_NO_ERROR);
    stream.write(Buffer.from("second"));
    stream.end();
    await visit.closed;
    expect(visit.body).toBe("first, second");
    await closed;
    expect(visitor.session.destroyed || visitor.session.closed).toBe(true);
  });

  it("cuts what does not finish", async () => {
    const { relay, client, visitor } = await tunnel();
    const visit = visitor.request({}).read();
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("half"));
    await visit.until(4);
    await relay.close(0);
    expect((await visit.closed).code).not.toBe(NGHTTP2_NO_ERROR);
    expect(await relay.record(1)).toMatchObject({ outcome: "cut" });
  });
});
