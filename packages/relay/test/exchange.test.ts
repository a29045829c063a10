import { headerValue } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import type { RelayOptions } from "../src/index.js";
import { RawVisitor, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

async function tunnel(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay(options));
  const client = opened(await V1Client.connect(relay.port, "app"));
  const visit = (head: string, body = "") => {
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request(head, body);
    return visitor;
  };
  return { relay, client, visit };
}

const ending = (text: string) => (received: string) => received.endsWith(text);

const requestId = /^[0-9a-f]{32}$/;

describe("a request", () => {
  it("reaches the client with its fields in order and case, repeats included", async () => {
    const { client, visit } = await tunnel();
    visit(
      "GET /a//b/../%2f?x=1&x=2 HTTP/1.1\nX-B: 1\nx-a: 2\nX-B: 3\nConnection: keep-alive, X-Drop\n" +
        "X-Drop: 1\nTE: trailers\nKeep-Alive: 5\nMcp-Param-X: =?base64?eA==?=\nX-Forwarded-For: 9.9.9.9",
    );
    const { head } = await client.accept();
    expect(head).toMatchObject({ method: "GET", path: "/a//b/../%2f?x=1&x=2" });
    expect(head.headers).toEqual([
      "X-B",
      "1",
      "x-a",
      "2",
      "X-B",
      "3",
      "Mcp-Param-X",
      "=?base64?eA==?=",
      "Host",
      "app.localhost",
      "X-Forwarded-For",
      "127.0.0.1",
      "X-Forwarded-Host",
      "app.localhost",
      "X-Forwarded-Proto",
      "http",
      "X-Request-Id",
      expect.stringMatching(requestId),
      "X-Tunnel-Visitor",
      "127.0.0.1",
    ]);
  });

  it.each(["/caf\xc3\xa9", "/?q=\xc3\xbc", "http://app.localhost/\xff", "/\x01"])(
    "for %j is refused in words, for the visitor and in the log: Node's parser takes nothing but ASCII there",
    async (target) => {
      const { relay, visit } = await tunnel();
      const answer = await visit(`GET ${target} HTTP/1.1`).until((received) =>
        received.includes("percent-encoded"),
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text\/plain/);
      expect(answer).toContain("X-Tunnel-Error: invalid_target\r\n");
      const [head = "", text = ""] = answer.split("\r\n\r\n");
      expect(text).toBe("invalid request target: what is not printable ASCII has to be percent-encoded");
      expect(head).toContain(`Content-Length: ${text.length}`);
      await relay.logged("request not readable");
    },
  );

  it("that is none is told of in the log", async () => {
    const { relay, visit } = await tunnel();
    await visit("nonsense").until((received) => received.includes("X-Tunnel-Error: invalid_request\r\n"));
    await relay.logged("request not readable");
  });

  it("keeps the trace that it belongs to, and an id of the visitor's own, byte for byte", async () => {
    const { relay, client, visit } = await tunnel();
    const visitor = visit(
      "GET / HTTP/1.1\nTraceParent: 00-0AF7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01\nx-request-ID: bb56;ts=1\n" +
        "Connection: X-Request-Id",
    );
    const { head, stream } = await client.accept();
    const { headers } = head;
    const valueOf = (name: string) => headers[headers.indexOf(name) + 1];
    expect(valueOf("TraceParent")).toBe("00-0AF7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01");
    expect(headers.filter((text) => /^x-request-id$/i.test(text))).toEqual(["x-request-ID"]);
    expect(valueOf("x-request-ID")).toBe("bb56;ts=1");
    // The log and the answer keep the relay's own id.
    stream.sendHead({ status: 204, headers: [] }, true);
    const answer = await visitor.until(ending("\r\n\r\n"));
    const record = await relay.record(1);
    expect(record).toMatchObject({
      requestId: expect.stringMatching(requestId),
      visitorRequestId: "bb56;ts=1",
    });
    expect(answer).toContain(`X-Request-Id: ${record.requestId}\r\n`);
  });

  it("sends its body in pieces, with its trailers", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("POST / HTTP/1.1\nTransfer-Encoding: chunked", "3\r\nabc\r\n");
    const exchange = await client.accept();
    expect(exchange.head.headers.join()).not.toMatch(/transfer-encoding/i);
    await exchange.bytes(3);
    visitor.socket.write("2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n");
    expect(await exchange.ended).toEqual(["X-Sum", "5"]);
    expect(exchange.body).toBe("abcde");
  });

  it("stops at its source while the client takes nothing", async () => {
    const { client, visit, relay } = await tunnel({ maxRequestBodyBytes: 64 * 2 ** 20 });
    const visitor = visit(`POST / HTTP/1.1\nContent-Length: ${32 * 2 ** 20}`);
    const exchange = await client.accept();
    exchange.consuming = false;
    const piece = Buffer.alloc(2 ** 20);
    for (let i = 0; i < 32; i++) visitor.socket.write(piece);
    await exchange.bytes(2 ** 20);
    // The window is used up. The visitor keeps the data that it could not send.
    expect(visitor.socket.writableLength).toBeGreaterThan(2 ** 20);
    exchange.consuming = true;
    exchange.stream.consumed(exchange.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    await exchange.ended;
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    await visitor.until(ending("\r\n\r\n"));
    expect((await relay.record(1)).requestBytes).toBe(32 * 2 ** 20);
  });

  it("is answered 413 without a stream when it declares too long a body", async () => {
    const { visit, relay } = await tunnel({ maxRequestBodyBytes: 10 });
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 11", "01234567890");
    expect(await visitor.until(ending("request body too large"))).toMatch(/^HTTP\/1.1 413 /);
    visitor.request("GET /next HTTP/1.1\nHost: nobody.localhost");
    expect(await visitor.until(ending("tunnel not found"))).toContain("HTTP/1.1 502");
    expect((await relay.record(1)).code).toBe("request_too_large");
  });

  it("is answered 413 when its body grows too long, and the client is told", async () => {
    const { client, visit } = await tunnel({ maxRequestBodyBytes: 10 });
    const visitor = visit("POST / HTTP/1.1\nTransfer-Encoding: chunked", "8\r\n01234567\r\n");
    const exchange = await client.accept();
    await exchange.bytes(8);
    visitor.socket.write("8\r\n01234567\r\n");
    expect((await exchange.wasReset).code).toBe("body_too_large");
    const answer = await visitor.until(ending("request body too large"));
    expect(answer).toMatch(/^HTTP\/1.1 413 [^]*Connection: close/);
    visitor.socket.end("0\r\n\r\n");
    await visitor.closed;
  });

  it("is asked for its body only when the client wants it", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("PUT / HTTP/1.1\nContent-Length: 2\nExpect: 100-continue");
    const exchange = await client.accept();
    expect(exchange.head.headers).toContain("100-continue");
    expect(visitor.received).toBe("");
    exchange.stream.sendInterim({ status: 100, headers: [] });
    await visitor.until((received) => received === "HTTP/1.1 100 Continue\r\n\r\n");
    visitor.socket.write("ok");
    await exchange.ended;
    exchange.stream.sendHead({ status: 201, headers: ["Content-Length", "0"] }, true);
    await visitor.until((received) => received.includes("HTTP/1.1 201 Created"));
  });

  it("with Expect may be turned away without its body, and the connection with it", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("PUT / HTTP/1.1\nContent-Length: 2\nExpect: 100-continue");
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 401, headers: ["Content-Length", "0"] }, true);
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 401 [^]*Connection: close/);
  });

  it("may be answered before its body is whole", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 6", "abc");
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 403, headers: ["Content-Length", "0"] }, true);
    await visitor.until(ending("\r\n\r\n"));
    exchange.stream.reset("no_error");
    visitor.socket.write("def");
    // The connection goes on, in step.
    visitor.request("GET /next HTTP/1.1");
    const next = await client.accept();
    expect(next.head.path).toBe("/next");
    next.stream.sendHead({ status: 200, headers: ["Content-Length", "0"] }, true);
    await visitor.until((received) => received.includes("HTTP/1.1 200"));
  });

  it("ends at the client when the visitor leaves", async () => {
    const { client, visit, relay } = await tunnel();
    const visitor = visit("GET / HTTP/1.1");
    const exchange = await client.accept();
    visitor.close();
    expect((await exchange.wasReset).code).toBe("cancelled");
    expect(await relay.record(1)).toMatchObject({ outcome: "cancelled", status: undefined });
  });

  it("ends at the client also when the visitor only says no more, which looks the same", async () => {
    const { relay, client } = await tunnel();
    const visitor = opened(new RawVisitor(relay.port, { allowHalfOpen: true }));
    visitor.request("GET / HTTP/1.1");
    const exchange = await client.accept();
    visitor.socket.end();
    expect((await exchange.wasReset).code).toBe("cancelled");
    expect(await visitor.all()).toBe("");
  });

  it("may be pipelined; all of them end when the visitor leaves", async () => {
    const { client, visit, relay } = await tunnel();
    const visitor = visit("GET /1 HTTP/1.1");
    visitor.request("GET /2 HTTP/1.1");
    const [first, second] = [await client.accept(), await client.accept()];
    visitor.close();
    await Promise.all([first.wasReset, second.wasReset]);
    await relay.record(2);
  });
});

describe("a response", () => {
  it("is passed on with its fields in order and case, and its own Date", async () => {
    const { client, visit, relay } = await tunnel();
    const visitor = visit("GET /x?secret=1 HTTP/1.1");
    const { stream } = await client.accept();
    stream.sendHead({
      status: 200,
      headers: [
        "Set-Cookie",
        "a=1",
        "date",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "set-cookie",
        "b=\u00e4",
        "Connection",
        "X-Drop",
        "X-Drop",
        "1",
        "Content-Length",
        "2",
      ],
    });
    stream.write(Buffer.from("ok"));
    stream.end();
    const answer = await visitor.until(ending("ok"));
    expect(answer).toBe(
      "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\nset-cookie: b=\u00e4\r\n" +
        `Content-Length: 2\r\nX-Request-Id: ${(await relay.record(1)).requestId}\r\n` +
        "Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\nok",
    );
    expect(await relay.record(1)).toMatchObject({
      name: "app",
      method: "GET",
      path: "/x",
      status: 200,
      responseBytes: 2,
      outcome: "completed",
      wire: "v1",
      address: "127.0.0.1",
    });
  });

  it("sends its head at once, and every chunk as it comes", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("GET / HTTP/1.1");
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Type", "text/event-stream"] });
    await visitor.until(ending("\r\n\r\n"));
    stream.write(Buffer.from("data: 1\n\n"));
    await visitor.until(ending("9\r\ndata: 1\n\n\r\n"));
    stream.end();
    await visitor.until(ending("0\r\n\r\n"));
  });

  it("has trailers where the visitor can take them", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("GET / HTTP/1.1");
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("x"));
    stream.end(["X-Sum", "1", "Content-Length", "9"]);
    expect(await visitor.until(ending("\r\n\r\n"))).toMatch(/1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n$/);
  });

  it("is preceded by its interim heads", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("GET / HTTP/1.1");
    const { stream } = await client.accept();
    stream.sendInterim({ status: 103, headers: ["Link", "</a>; rel=preload", "X-More", "1"] });
    await visitor.until(ending("\r\n\r\n"));
    // The visitor did not ask for this one.
    stream.sendInterim({ status: 100, headers: [] });
    stream.sendHead({ status: 200, headers: ["Content-Length", "0"] }, true);
    expect(await visitor.until((text) => text.includes("200"))).toMatch(
      /^HTTP\/1.1 103 Early Hints\r\nLink: <\/a>; rel=preload\r\nX-More: 1\r\n\r\nHTTP\/1.1 200 OK\r\n/,
    );
  });

  it.each([
    ["HEAD", 200, ["Content-Length", "5"], "Content-Length: 5"],
    ["GET", 304, ["Content-Length", "5"], "Content-Length: 5"],
    ["GET", 204, [], ""],
  ])("to %s with %s has no body, and the connection goes on", async (method, status, headers, expected) => {
    const { client, visit } = await tunnel();
    const visitor = visit(`${method} / HTTP/1.1`);
    const first = await client.accept();
    first.stream.sendHead({ status, headers }, true);
    const head = await visitor.until(ending("\r\n\r\n"));
    expect(head).toContain(expected);
    expect(head).not.toMatch(/transfer-encoding/i);
    visitor.request("GET /next HTTP/1.1");
    const next = await client.accept();
    next.stream.sendHead({ status: 200, headers: ["Content-Length", "0"] }, true);
    await visitor.until((text) => text.slice(head.length).startsWith("HTTP/1.1 200"));
  });

  it("goes no faster than the visitor reads", async () => {
    const { client, visit } = await tunnel({ maxResponseBodyBytes: 2 ** 30 });
    const visitor = visit("GET / HTTP/1.1");
    const { stream } = await client.accept();
    visitor.socket.pause();
    stream.sendHead({ status: 200, headers: ["Content-Length", String(64 * 2 ** 20)] });
    const piece = Buffer.alloc(2 ** 20, "x");
    let written = 0;
    while (written < 64 && stream.write(piece)) written += 1;
    expect(written).toBeLessThan(64);
    visitor.close();
  });

  it("to an HTTP/1.0 visitor ends with the connection", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("GET / HTTP/1.0");
    const { stream } = await client.accept();
    stream.sendInterim({ status: 103, headers: [] });
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("ok"));
    stream.end(["X", "1"]);
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nok$/);
  });

  // Each of these would let a tunnel write what the visitor takes for another response.
  it.each<[string, number, string[]]>([
    ["a line break in a value", 200, ["X", "a\r\nSet-Cookie: b=1"]],
    ["a bare CR in a value", 200, ["X", "a\rb"]],
    ["a NUL in a value", 200, ["X", "a\0"]],
    ["a space in a name", 200, ["X Y", "1"]],
    ["a colon in a name", 200, ["X:", "1"]],
    ["an empty name", 200, ["", "1"]],
    ["two lengths", 200, ["Content-Length", "1", "Content-Length", "2"]],
    ["two lengths that are not sent on", 204, ["Content-Length", "0", "Content-Length", "0"]],
    ["a length that is none", 200, ["Content-Length", "1, 1"]],
    ["a negative length", 200, ["Content-Length", "-1"]],
    ["a status out of range", 1000, []],
    ["an upgrade that nobody asked for", 101, ["Upgrade", "x"]],
  ])("with %s is not passed on", async (_, status, headers) => {
    const { client, visit } = await tunnel();
    const visitor = visit("GET / HTTP/1.1");
    const exchange = await client.accept();
    exchange.stream.sendHead({ status, headers }, true);
    const answer = await visitor.until((text) => text.includes("\r\n\r\n") && text.length > 100);
    expect(answer).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/);
    expect(answer).not.toContain("Set-Cookie");
  });

  it.each([
    ["longer", "4", ["abc", "def"]],
    ["shorter", "9", ["abc", "def"]],
  ])("%s than its Content-Length never looks complete", async (_, length, chunks) => {
    const { client, visit, relay } = await tunnel();
    const visitor = visit("GET / HTTP/1.1");
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Length", length] });
    for (const chunk of chunks) stream.write(Buffer.from(chunk));
    stream.end();
    await visitor.closed;
    expect(await relay.record(1)).toMatchObject({ outcome: "cut", status: 200 });
  });

  it("that is cut together with its head shows the visitor the head", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 9", "too");
    const { stream } = await client.accept();
    stream.sendHead({ status: 413, headers: ["X-A", "1"] });
    stream.reset("upstream_failed", "connection reset");
    const received = await visitor.all();
    expect(received).toMatch(/^HTTP\/1\.1 413 .*X-A: 1\r\n/s);
    // The last chunk is missing, so the response is not complete.
    expect(received).toMatch(/\r\n\r\n$/);
  });

  it("that is cut at the client is cut at the visitor", async () => {
    const { client, visit, relay } = await tunnel();
    const visitor = visit("GET / HTTP/1.1");
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.from("x"));
    await visitor.until(ending("1\r\nx\r\n"));
    stream.reset("upstream_failed", "connection reset");
    expect(await visitor.all()).not.toContain("0\r\n\r\n");
    expect(await relay.record(1)).toMatchObject({
      outcome: "cut",
      code: "upstream_failed",
      detail: "connection reset",
    });
  });

  it("over the limit is a 502 when its length is known, else cut", async () => {
    const { client, visit } = await tunnel({ maxResponseBodyBytes: 10 });
    const known = visit("GET / HTTP/1.1");
    const first = await client.accept();
    first.stream.sendHead({ status: 200, headers: ["Content-Length", "11"] });
    expect(await known.until(ending("tunnel response body too large"))).toMatch(/^HTTP\/1.1 502 /);
    expect((await first.wasReset).code).toBe("body_too_large");

    const unknown = visit("GET / HTTP/1.1");
    const second = await client.accept();
    second.stream.sendHead({ status: 200, headers: [] });
    second.stream.write(Buffer.from("0123456789"));
    await unknown.until(ending("0123456789\r\n"));
    second.stream.write(Buffer.from("x"));
    expect(await unknown.all()).not.toContain("0\r\n\r\n");
    expect((await second.wasReset).code).toBe("body_too_large");
  });

  it("to HEAD may name any length, and an event stream may have any", async () => {
    const { client, visit } = await tunnel({ maxResponseBodyBytes: 10 });
    const head = visit("HEAD / HTTP/1.1");
    (await client.accept()).stream.sendHead({ status: 200, headers: ["Content-Length", "11"] }, true);
    expect(await head.until(ending("\r\n\r\n"))).toMatch(/^HTTP\/1.1 200 /);
    const events = visit("GET / HTTP/1.1");
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Type", "text/event-stream; charset=utf-8"] });
    stream.write(Buffer.from("x".repeat(1000)));
    stream.end();
    await events.until(ending("0\r\n\r\n"));
  });
});

describe("an upgrade", () => {
  const upgrade = "GET /ws HTTP/1.1\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nX-A: 1";

  it("carries bytes both ways, each until its own end", async () => {
    const { client, visit, relay } = await tunnel();
    const visitor = opened(new RawVisitor(relay.port, { allowHalfOpen: true }));
    visitor.request(upgrade, "early");
    const exchange = await client.accept();
    expect(exchange.head.upgrade).toBe(true);
    expect(exchange.head.headers.slice(-4)).toEqual(["Connection", "Upgrade", "Upgrade", "websocket"]);
    expect(exchange.head.headers).toContain("X-A");
    exchange.stream.sendHead({ status: 101, headers: ["Upgrade", "websocket", "Sec-WebSocket-Accept", "x"] });
    expect((await visitor.until(ending("\r\n\r\n"))).replace(/[0-9a-f]{32}/, "ID")).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n" +
        "X-Request-Id: ID\r\n\r\n",
    );
    await exchange.bytes(5);
    visitor.socket.end("late");
    await exchange.ended;
    expect(exchange.body).toBe("earlylate");
    exchange.stream.write(Buffer.from("answer"));
    exchange.stream.end();
    expect(await visitor.all()).toMatch(/answer$/);
    expect(await relay.record(1)).toMatchObject({
      outcome: "completed",
      status: 101,
      requestBytes: 9,
      responseBytes: 6,
    });
    expect(visit).toBeDefined();
  });

  it("is slowed down in both directions", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit(upgrade);
    const exchange = await client.accept();
    exchange.consuming = false;
    exchange.stream.sendHead({ status: 101, headers: ["Upgrade", "websocket"] });
    await visitor.until(ending("\r\n\r\n"));
    const bytes = 24 * 2 ** 20;
    visitor.socket.write(Buffer.alloc(bytes));
    await exchange.bytes(2 ** 20);
    expect(visitor.socket.writableLength).toBeGreaterThan(0);
    exchange.consuming = true;
    exchange.stream.consumed(exchange.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    await exchange.bytes(bytes);

    visitor.socket.pause();
    const piece = Buffer.alloc(2 ** 20, "x");
    let written = 0;
    while (written < 64 && exchange.stream.write(piece)) written += 1;
    expect(written).toBeLessThan(64);
  });

  it("may be refused; the refusal is an ordinary response", async () => {
    const { client, visit, relay } = await tunnel();
    const visitor = visit(upgrade);
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 403, headers: ["X-Why", "no"] });
    exchange.stream.write(Buffer.from("no"));
    exchange.stream.end();
    await exchange.ended;
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 403 Forbidden\r\nX-Why: no\r\n[^]*2\r\nno\r\n0\r\n\r\n$/);
    expect(await relay.record(1)).toMatchObject({ outcome: "completed", status: 403 });
  });

  it("ends at the client when the visitor leaves, before and after the 101", async () => {
    const { client, visit, relay } = await tunnel();
    const before = visit(upgrade);
    const first = await client.accept();
    before.close();
    expect((await first.wasReset).code).toBe("cancelled");
    const after = visit(upgrade);
    const second = await client.accept();
    second.stream.sendHead({ status: 101, headers: ["Upgrade", "websocket"] });
    await after.until(ending("\r\n\r\n"));
    after.socket.resetAndDestroy();
    expect((await second.wasReset).code).toBe("cancelled");
    expect(await relay.record(2)).toMatchObject({ outcome: "cancelled", status: 101 });
  });

  it("is cut when the client cuts it", async () => {
    const { client, visit } = await tunnel();
    const visitor = visit(upgrade);
    const { stream } = await client.accept();
    stream.sendHead({ status: 101, headers: ["Upgrade", "websocket"] });
    await visitor.until(ending("\r\n\r\n"));
    stream.reset("upstream_failed");
    await visitor.closed;
  });

  it("to nobody is an ordinary error", async () => {
    const { visit } = await tunnel();
    const visitor = visit(`${upgrade}\nHost: nobody.localhost`);
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 502 [^]*tunnel not found$/);
  });

  it.each([
    ["websocket", "Content-Length: 3", "abc"],
    ["h2c", "Content-Length: 3", "abc"],
    ["tcp", "Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"],
  ])("to %s that is offered with a body (%s) is an ordinary request", async (protocol, framing, body) => {
    const { client, visit } = await tunnel();
    const head = upgrade.replace("GET", "POST").replace("websocket", protocol);
    const visitor = visit(`${head}\n${framing}`, body);
    const exchange = await client.accept();
    expect(exchange.head.upgrade).not.toBe(true);
    expect(exchange.head.headers.join()).not.toMatch(/\b(?:Upgrade|Connection)\b/i);
    await exchange.ended;
    expect(exchange.body).toBe("abc");
    exchange.stream.sendHead({ status: 200, headers: ["Content-Length", "2"] });
    exchange.stream.write(Buffer.from("ok"));
    exchange.stream.end();
    // Node's parser has stopped behind the request. Data that came with it is lost, and the visitor has to
    // know.
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 200 [^]*Connection: close[^]*\r\n\r\nok$/);
  });

  it.each([
    ["h2c", undefined],
    ["h2c-14", undefined],
    ["TLS/1.2, HTTP/1.1", undefined],
    ["h2c, websocket", "websocket"],
    ["websocket,TLS/1.0,SPDY/3.1", "websocket, SPDY/3.1"],
    ["h2cat", "h2cat"],
    ["x h2c", undefined],
    ['"h2c", h2c;q=1, x/h2c/h2c, /h2c', undefined],
    ["h2c\tx, a/b", "a/b"],
  ])("to '%s' goes on as one to %s", async (offered, expected) => {
    const { client, visit } = await tunnel();
    const offer = upgrade.replace("websocket", offered).replace("Upgrade\n", "Upgrade, HTTP2-Settings\n");
    visit(`${offer}\nHTTP2-Settings: AAMAAABk\nX-Tunnel_Visitor: 10.0.0.1`);
    const { head } = await client.accept();
    expect(head.upgrade === true).toBe(expected !== undefined);
    expect(headerValue(head.headers, "upgrade")).toBe(expected);
    expect(head.headers.filter((_, i) => /^x-tunnel-visitor$/i.test(head.headers[i - 1] ?? ""))).toEqual([
      "127.0.0.1",
    ]);
    expect(head.headers.join()).not.toMatch(/http2-settings/i);
  });
});
