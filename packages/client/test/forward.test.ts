import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import type { RequestHead } from "mcp-tunnel-protocol";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { bytesAt } from "../../../test/support/bytes.js";
import { startCannedServer, startRawServer } from "../../../test/support/raw-server.js";
import { startUpstream } from "../../../test/support/upstream.js";
import type { Upstream } from "../../../test/support/upstream.js";
import { startRig, upload, visit } from "./relay-side.js";
import type { Rig } from "./relay-side.js";

const closing = closingAfterEach();

/** The test's own HTTP server on loopback. */
async function serve(
  listener: RequestListener,
): Promise<{ port: number; server: Server; close(): Promise<void> }> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return closing({
    port: (server.address() as AddressInfo).port,
    server,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  });
}

/** A server without HTTP: the test sees every byte of the request, and answers by hand. */
async function listenRaw(): Promise<{ port: number; socket: Promise<Socket>; close(): Promise<void> }> {
  let accepted: (socket: Socket) => void;
  const socket = new Promise<Socket>((resolve) => (accepted = resolve));
  const server = closing(await startRawServer((connection) => accepted(connection)));
  return { ...server, socket };
}

/** Reads until the text holds `needle`. */
async function readUntil(socket: Socket, needle: string): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += (chunk as Buffer).toString("latin1");
    if (text.includes(needle)) return text;
  }
  throw new Error(
    `the connection ended before ${JSON.stringify(needle)}; it brought ${JSON.stringify(text)}`,
  );
}

describe("an ordinary request", () => {
  let upstream: Upstream;
  let rig: Rig;
  beforeEach(async () => {
    upstream = closing(await startUpstream());
    rig = closing(startRig({ port: upstream.port }));
  });

  it("arrives as it was sent, and so does its answer", async () => {
    const headers = ["Host", "demo.relay.test", "X-One", "1", "x-two", "a", "X-TWO", "b", "Accept", "*/*"];
    const done = await visit(rig.relay, { path: "/headers?q=%20a&b", headers }).complete();
    expect(done.head?.status).toBe(200);
    const seen = JSON.parse(done.text) as { path: string; rawHeaders: string[] };
    expect(seen.path).toBe("/headers?q=%20a&b");
    expect(seen.rawHeaders).toEqual([
      ...["host", `localhost:${upstream.port}`, "connection", "keep-alive"],
      ...["X-One", "1", "x-two", "a", "X-TWO", "b", "Accept", "*/*"],
    ]);
  });

  it.each([0, 1, 65_535, 65_536, 65_537, 3_000_000])(
    "carries a body of %i bytes both ways",
    async (length) => {
      const body = bytesAt(0, length);
      const chunked = await visit(rig.relay, { method: "POST", path: "/echo", body }).complete();
      expect(chunked.body.equals(body)).toBe(true);
      const headers = ["Content-Length", String(length)];
      const withLength = await visit(rig.relay, { method: "POST", path: "/echo", headers, body }).complete();
      expect(withLength.body.equals(body)).toBe(true);
      expect(rig.events.map((event) => [event.requestBytes, event.responseBytes])).toEqual([
        [length, length],
        [length, length],
      ]);
    },
  );

  it("reuses the connection to the local service", async () => {
    for (let i = 0; i < 5; i++) await visit(rig.relay).complete();
    expect(new Set(upstream.requests.map(({ socket }) => socket)).size).toBe(1);
  });

  it("keeps repeated response fields, their order and their case", async () => {
    const canned = closing(
      await startCannedServer(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-ODD: \xe4\r\nset-cookie: b=2\r\nConnection: close, X-Hop\r\n" +
          "X-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok",
      ),
    );
    const other = closing(startRig({ port: canned.port }));
    const done = await visit(other.relay).complete();
    // The canned text was written as UTF-8, so its one character is two bytes.
    expect(done.head?.headers).toEqual([
      ...["Set-Cookie", "a=1", "X-ODD", "\xc3\xa4", "set-cookie", "b=2", "Content-Length", "2"],
    ]);
  });

  it.each([204, 304])("knows that a %i has no body", async (status) => {
    const done = await visit(rig.relay, { path: `/status/${status}` }).complete();
    expect(done.head?.status).toBe(status);
    expect(done.body.length).toBe(0);
  });

  it("answers HEAD with the length and without the body", async () => {
    const done = await visit(rig.relay, { method: "HEAD", path: "/bytes/1234" }).complete();
    expect(done.head?.headers.join(",").toLowerCase()).toContain("content-length,1234");
    expect(done.body.length).toBe(0);
  });

  it("passes interim heads, trailers, redirects and errors on as they are", async () => {
    const hinted = await visit(rig.relay, { path: "/hints" }).complete();
    expect(hinted.interims.map(({ status }) => status)).toEqual([103]);
    expect(hinted.text).toBe("hinted\n");
    const trailed = await visit(rig.relay, { path: "/trailers" }).complete();
    expect(trailed.trailers).toEqual(["X-Checksum", "abc", "X-Late", "yes"]);
    const redirect = await visit(rig.relay, { path: "/redirect?to=http://evil.test/" }).complete();
    expect(redirect.head?.status).toBe(302);
    expect(redirect.head?.headers).toContain("http://evil.test/");
    expect(upstream.requests.length).toBe(3);
    expect((await visit(rig.relay, { path: "/status/503" }).complete()).text).toBe("status 503\n");
  });

  it("sends the head and each event of a stream on as it comes", async () => {
    const stream = visit(rig.relay, { path: "/sse" });
    await stream.until(() => stream.head !== undefined);
    for (const data of ["one", "two"]) {
      upstream.emit(data);
      await stream.until(() => stream.text.includes(`data: ${data}\n\n`));
    }
    expect(stream.trailers).toBeUndefined();
    stream.stream.reset("cancelled");
  });

  it("stops the local request as soon as the visitor has left", async () => {
    const aborted = upstream.nextAbort();
    const stream = visit(rig.relay, { path: "/hang" });
    await upstream.nextRequest();
    const leftAt = performance.now();
    stream.stream.reset("cancelled", "the visitor went away");
    const { path, atMs } = await aborted;
    expect(path).toBe("/hang");
    expect(atMs - leftAt).toBeLessThan(500);
    expect(rig.events[0]).toMatchObject({ status: undefined, error: { code: "cancelled" } });
  });

  // A Node server closes a connection that has been idle for 5 s. To the server a connection is idle once the
  // kernel has the answer.
  it.each([70_000, 100_000, 200_000])(
    "carries all %i bytes although the service closes its connection while the visitor does not read",
    async (length) => {
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
      const answer = Buffer.concat([Buffer.from(head), bytesAt(0, length)]);
      const canned = closing(await startCannedServer(answer));
      const rigOfCanned = closing(startRig({ port: canned.port }, 65_536));
      const lazy = visit(rigOfCanned.relay);
      lazy.reading = false;
      await lazy.until(() => lazy.body.length === 65_536 || lazy.reset !== undefined);
      // Another exchange takes long enough for the close to arrive.
      await visit(rig.relay, { path: "/slow?ms=100" }).complete();
      lazy.reading = true;
      lazy.stream.consumed(65_536);
      expect((await lazy.complete()).body.equals(bytesAt(0, length))).toBe(true);
    },
  );

  it.each([70_000, 131_072, 200_000])(
    "carries all %i bytes of a body that ends with its connection, which the visitor reads in pieces",
    async (length) => {
      const answer = Buffer.concat([Buffer.from("HTTP/1.0 200 OK\r\n\r\n"), bytesAt(0, length)]);
      const canned = closing(await startCannedServer(answer));
      const rigOfCanned = closing(startRig({ port: canned.port }, 65_536));
      const lazy = visit(rigOfCanned.relay);
      lazy.reading = false;
      for (let read = 0; read < length; ) {
        const wanted = Math.min(read + 65_536, length);
        await lazy.until(() => lazy.body.length === wanted || lazy.reset !== undefined);
        expect(lazy.reset).toBeUndefined();
        // Another exchange takes long enough for the close to arrive.
        await visit(rig.relay, { path: "/slow?ms=20" }).complete();
        lazy.stream.consumed(wanted - read);
        read = wanted;
      }
      expect((await lazy.complete()).body.equals(bytesAt(0, length))).toBe(true);
    },
  );

  it("pauses the local service while the visitor does not read", async () => {
    const slow = closing(startRig({ port: upstream.port }, 65_536));
    const length = 30_000_000;
    let sent = 0;
    const big = await serve((_req, res) => {
      const more = (): void => {
        while (sent < length) {
          const chunk = bytesAt(sent, Math.min(65_536, length - sent));
          sent += chunk.length;
          if (!res.write(chunk)) {
            res.once("drain", more);
            return;
          }
        }
        res.end();
      };
      more();
    });
    const rigOfBig = closing(startRig({ port: big.port }, 65_536));
    const lazy = visit(rigOfBig.relay);
    lazy.reading = false;
    await lazy.until(() => lazy.body.length === 65_536);
    // Other visitors are not held up. By the end of their requests the service would have sent everything.
    for (let i = 0; i < 20; i++) await visit(slow.relay, { path: "/bytes/300000" }).complete();
    expect(lazy.body.length).toBe(65_536);
    expect(sent).toBeLessThan(length);
    lazy.reading = true;
    lazy.stream.consumed(65_536);
    await lazy.complete();
    expect(lazy.body.equals(bytesAt(0, length))).toBe(true);
  });

  it("gives credit back only as fast as the local service reads", async () => {
    const { port, socket } = await listenRaw();
    const other = closing(startRig({ port }));
    const length = 50_000_000;
    const headers = ["Content-Length", String(length)];
    const visitor = visit(other.relay, { method: "POST", headers, body: "open" });
    const progress = upload(visitor, length);
    const reader = await socket;
    // The bytes that fit in the windows and the sockets' buffers have gone. The rest has to wait.
    await delay(300);
    expect(progress.written).toBeLessThan(length / 2);
    let received = 0;
    reader.on("data", (chunk) => (received += chunk.length));
    await progress.done;
    while (received < length) await once(reader, "data");
    reader.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect((await visitor.complete()).text).toBe("ok");
  });

  it("goes on after an answer that came before the whole body", async () => {
    const early = await serve((_req, res) => {
      res.writeHead(413, { "content-length": 4, connection: "close" }).end("big\n");
    });
    const other = closing(startRig({ port: early.port }));
    const visitor = visit(other.relay, { method: "POST", body: "open" });
    // Far more than a window: the relay has to be told that nobody reads it.
    const progress = upload(visitor, 5_000_000);
    const done = await visitor.complete();
    expect([done.head?.status, done.text]).toEqual([413, "big\n"]);
    await visitor.until(() => visitor.reset !== undefined);
    expect(visitor.reset?.code).toBe("no_error");
    expect(progress.written).toBeLessThan(5_000_000);
    expect((await visit(other.relay, { path: "/" }).complete()).head?.status).toBe(413);
  });

  it("sends the head of a body that does not come yet", async () => {
    const { port, socket } = await listenRaw();
    const other = closing(startRig({ port }));
    const stream = visit(other.relay, { method: "POST", path: "/wait", body: "open" });
    const head = await readUntil(await socket, "\r\n\r\n");
    expect(head).toMatch(/^POST \/wait HTTP\/1\.1\r\n/);
    expect(head.toLowerCase()).toContain("transfer-encoding: chunked");
    (await socket).write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    await stream.until(() => stream.text === "hello");
    stream.stream.write(Buffer.from("answer"));
    stream.stream.end(["X-Sum", "1"]);
    expect(await readUntil(await socket, "X-Sum: 1\r\n\r\n")).toContain("6\r\nanswer\r\n0\r\n");
    (await socket).end("0\r\n\r\n");
    expect((await stream.complete()).text).toBe("hello");
  });
});

describe("the Host that the local service sees", () => {
  it.each([
    ["rewrite", (port: number) => `localhost:${port}`],
    ["preserve", () => "demo.relay.test"],
    ["intranet.test", () => "intranet.test"],
  ])("%s", async (hostHeader, expected) => {
    const upstream = closing(await startUpstream());
    const rig = closing(startRig({ port: upstream.port, hostHeader, forwardedHeaders: "all" }));
    const headers = [
      "Host",
      "demo.relay.test",
      "X-Forwarded-Host",
      "demo.relay.test",
      "Origin",
      "https://a.test",
    ];
    const done = await visit(rig.relay, { headers }).complete();
    const { rawHeaders } = JSON.parse(done.text) as { rawHeaders: string[] };
    expect(rawHeaders.slice(0, 2)).toEqual(["host", expected(upstream.port)]);
    expect(rawHeaders.join()).toContain("X-Forwarded-Host,demo.relay.test,Origin,https://a.test");
  });

  it("is joined by no Origin on request", async () => {
    const upstream = closing(await startUpstream());
    const rig = closing(startRig({ port: upstream.port, dropOrigin: true }));
    const done = await visit(rig.relay, { headers: ["ORIGIN", "https://a.test"] }).complete();
    expect(done.text.toLowerCase()).not.toContain("a.test");
  });
});

describe("a local service that fails", () => {
  it("is unreachable when nothing listens, and the addresses are named", async () => {
    const gone = await startUpstream();
    await gone.close();
    const rig = closing(startRig({ port: gone.port }));
    const reset = await visit(rig.relay).cut();
    expect(reset.code).toBe("upstream_unreachable");
    expect(reset.message).toContain("connection refused");
    expect(reset.message).toContain(`127.0.0.1:${gone.port}`);
    expect(rig.events[0]).toMatchObject({ status: 502, error: { code: "upstream_unreachable" } });
    // The service comes back, and so do the answers.
    closing(await startUpstream(gone.port));
    expect((await visit(rig.relay).complete()).head?.status).toBe(200);
  });

  it("is unreachable when it should speak TLS and does not, and the way out is named", async () => {
    const plain = closing(await startUpstream());
    const origin = `https://localhost:${plain.port}`;
    const rig = closing(startRig({ target: origin }));
    const message = `cannot reach ${origin}: it answers without TLS: use http://`;
    const ordinary = await visit(rig.relay).cut();
    expect(ordinary).toMatchObject({ code: "upstream_unreachable", message });
    const upgrade = await visit(rig.relay, { headers: ["Upgrade", "x"], upgrade: true }).cut();
    expect(upgrade).toMatchObject({ code: "upstream_unreachable", message });
  });

  it.each([
    ["garbage", "SMTP 220 hello\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["an endless head", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`],
    [
      "a 101 that nobody asked for",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
    ["nothing", ""],
  ])("with %s costs only that request", async (name, answer) => {
    const canned = closing(await startCannedServer(answer));
    const rig = closing(startRig({ port: canned.port }));
    const code = name === "nothing" ? "upstream_failed" : "bad_message";
    expect((await visit(rig.relay, { method: "POST", body: Buffer.from("x") }).cut()).code).toBe(code);
    expect((await visit(rig.relay).cut()).code).toBe(code);
    const upstream = closing(await startUpstream());
    const other = closing(startRig({ port: upstream.port }));
    expect((await visit(other.relay).complete()).head?.status).toBe(200);
  });

  it.each(["/reset", "/cut/1000", "/cut/1000?chunked", "/short/1000"])(
    "%s never looks complete",
    async (path) => {
      const upstream = closing(await startUpstream());
      const rig = closing(startRig({ port: upstream.port }));
      const reset = await visit(rig.relay, { path }).cut();
      expect(reset.code).toBe("upstream_failed");
      expect((await visit(rig.relay).complete()).head?.status).toBe(200);
    },
  );

  it("has failed when it resets a connection whose end would be the end of the body", async () => {
    const { port, socket } = await listenRaw();
    const rig = closing(startRig({ port }));
    const stream = visit(rig.relay);
    await readUntil(await socket, "\r\n\r\n");
    (await socket).write("HTTP/1.0 200 OK\r\n\r\nhalf of it");
    await stream.until(() => stream.text === "half of it");
    (await socket).resetAndDestroy();
    expect((await stream.cut()).code).toBe("upstream_failed");
  });

  it("costs one request when it resets its connection while the answer waits for the visitor", async () => {
    const { port, socket } = await listenRaw();
    const rig = closing(startRig({ port }, 65_536));
    const stream = visit(rig.relay, { method: "POST", body: "open" });
    stream.reading = false;
    stream.stream.write(Buffer.from("first"));
    const local = await socket;
    await readUntil(local, "first");
    local.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n");
    local.write(bytesAt(0, 400_000));
    // The window is used up, so the client has stopped reading. The client hears of the reset when it writes,
    // and has to tell the visitor once he has read the earlier bytes.
    await stream.until(() => stream.body.length === 65_536);
    local.resetAndDestroy();
    stream.pump = () => {};
    const timer = setInterval(() => stream.stream.write(Buffer.from("more")), 5);
    closing({ close: () => clearInterval(timer) });
    stream.reading = true;
    stream.stream.consumed(stream.body.length);
    expect((await stream.cut()).code).toBe("upstream_failed");
    const upstream = closing(await startUpstream());
    const other = closing(startRig({ port: upstream.port }));
    expect((await visit(other.relay).complete()).head?.status).toBe(200);
  });
});

describe("a relay that is not to be trusted", () => {
  const bad: [string, Partial<RequestHead> & { body?: Buffer }][] = [
    ["an absolute target", { path: "http://evil.test/" }],
    ["a target without a slash", { path: "evil.test" }],
    ["a space in the target", { path: "/a b" }],
    ["a line break in the target", { path: "/a\rX: y" }],
    ["a control character in the target", { path: "/\x7f" }],
    ["a fragment in the target", { path: "/#f?q" }],
    ["CONNECT", { method: "CONNECT", path: "/" }],
    ["connect", { method: "connect", path: "/" }],
    ["a method that is none", { method: "GET /x", path: "/" }],
    ["an asterisk for a GET", { path: "*" }],
    ["two lengths", { headers: ["Content-Length", "1", "content-length", "1"], body: Buffer.from("a") }],
    ["a length that is none", { headers: ["Content-Length", "+1"], body: Buffer.from("a") }],
    ["a body that is missing", { headers: ["Content-Length", "5"] }],
    [
      "a body that is too long",
      { method: "POST", headers: ["Content-Length", "1"], body: Buffer.from("abc") },
    ],
    [
      "a body that is too short",
      { method: "POST", headers: ["Content-Length", "9"], body: Buffer.from("abc") },
    ],
    ["a name that is none", { headers: ["X Y", "1"] }],
    ["a value with a line break", { headers: ["X", "1\rEvil: 1"] }],
    ["an upgrade to HTTP/2", { upgrade: true, headers: ["Upgrade", "h2c, TLS/1.2", "X", "Evil: 1"] }],
    ["an upgrade to nothing", { upgrade: true, headers: ["X", "Evil: 1"] }],
    ["an upgrade with a body", { upgrade: true, headers: ["Content-Length", "1"], body: Buffer.from("a") }],
    [
      "a bad name in a raw request",
      { headers: ["Expect", "100-continue", "X Y", "1"], body: Buffer.from("a") },
    ],
    [
      "a body that is too long in a raw request",
      {
        method: "POST",
        headers: ["Expect", "100-continue", "Content-Length", "1"],
        body: Buffer.from("abc"),
      },
    ],
    [
      "a body that is too short in a raw request",
      {
        method: "POST",
        headers: ["Expect", "100-continue", "Content-Length", "9"],
        body: Buffer.from("abc"),
      },
    ],
  ];
  it.each(bad)("cannot send %s", async (_name, request) => {
    const { port, socket } = await listenRaw();
    const seen: Buffer[] = [];
    void socket.then((connection) => connection.on("data", (chunk) => seen.push(chunk)));
    const rig = closing(startRig({ port }));
    const reset = await visit(rig.relay, request).cut();
    expect(reset.code).toBe("bad_message");
    expect(Buffer.concat(seen).toString("latin1")).not.toMatch(/evil|\nX: y/i);
  });

  it.each([
    "//evil.test/x",
    "/\\evil.test",
    "/@evil.test:80",
    "/..//../etc",
    "/%2e%2e/%00",
    "/\xe4\xff",
    `/${"long/".repeat(10_000)}`,
  ])("reaches only the target with %s, byte for byte", async (path) => {
    const { port, socket } = await listenRaw();
    const rig = closing(startRig({ port }));
    const done = visit(rig.relay, { path }).complete();
    const head = await readUntil(await socket, "\r\n\r\n");
    expect(head.startsWith(`GET ${path} HTTP/1.1\r\nhost: localhost:${port}\r\n`)).toBe(true);
    (await socket).end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect((await done).head?.status).toBe(200);
  });

  it("cannot add a second Host, framing of its own or hop-by-hop fields", async () => {
    const upstream = closing(await startUpstream());
    const rig = closing(startRig({ port: upstream.port }));
    const headers = [
      ...["Host", "a.test", "HOST", "b.test", "Connection", "X-Secret, close", "X-Secret", "1"],
      ...["Transfer-Encoding", "chunked", "TE", "trailers", "Keep-Alive", "timeout=1", "Upgrade", "h2c"],
      ...["Proxy-Authorization", "x", "X-Kept", "1"],
    ];
    const done = await visit(rig.relay, { headers }).complete();
    const { rawHeaders } = JSON.parse(done.text) as { rawHeaders: string[] };
    expect(rawHeaders).toEqual([
      ...["host", `localhost:${upstream.port}`, "connection", "keep-alive", "X-Kept", "1"],
    ]);
  });

  it("cannot open more streams than the client takes", async () => {
    const upstream = closing(await startUpstream());
    const rig = closing(startRig({ port: upstream.port, maxStreams: 2 }));
    const held = [visit(rig.relay, { path: "/hang" }), visit(rig.relay, { path: "/hang" })];
    expect((await visit(rig.relay).cut()).code).toBe("overloaded");
    held[0]?.stream.reset("cancelled");
    expect((await visit(rig.relay).complete()).head?.status).toBe(200);
    held[1]?.stream.reset("cancelled");
  });
});

describe("a request that undici cannot send", () => {
  it("passes Expect on, and the 100 back", async () => {
    const upstream = await serve(() => {});
    upstream.server.on("checkContinue", (req: IncomingMessage, res) => {
      if (req.url === "/no") {
        res.writeHead(417, { "content-length": 0 }).end();
        return;
      }
      res.writeContinue();
      req.pipe(res);
    });
    const rig = closing(startRig({ port: upstream.port }));
    const headers = ["Expect", "100-continue", "Content-Length", "5"];
    const stream = visit(rig.relay, { method: "POST", headers, body: "open" });
    await stream.until(() => stream.interims.length > 0);
    expect(stream.interims[0]?.status).toBe(100);
    stream.stream.write(Buffer.from("hello"));
    stream.stream.end();
    expect((await stream.complete()).text).toBe("hello");
    const refused = visit(rig.relay, { method: "POST", path: "/no", headers, body: "open" });
    expect((await refused.complete()).head?.status).toBe(417);
    expect(refused.interims).toEqual([]);
  });

  it("sends OPTIONS *", async () => {
    const { port, socket } = await listenRaw();
    const rig = closing(startRig({ port }));
    const stream = visit(rig.relay, { method: "OPTIONS", path: "*" });
    expect(await readUntil(await socket, "\r\n\r\n")).toMatch(
      /^OPTIONS \* HTTP\/1\.1\r\nHost: localhost:\d+\r\n/,
    );
    (await socket).end("HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n");
    expect((await stream.complete()).head).toEqual({ status: 204, headers: ["Allow", "GET"] });
  });

  it("is unreachable or broken like any other", async () => {
    const gone = await startUpstream();
    await gone.close();
    const headers = ["Expect", "100-continue"];
    const rig = closing(startRig({ port: gone.port }));
    expect((await visit(rig.relay, { headers, body: Buffer.from("x") }).cut()).code).toBe(
      "upstream_unreachable",
    );
    const canned = closing(await startCannedServer("garbage\r\n\r\n"));
    const other = closing(startRig({ port: canned.port }));
    expect((await visit(other.relay, { headers, body: Buffer.from("x") }).cut()).code).toBe("bad_message");
    const cut = closing(await startCannedServer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
    const third = closing(startRig({ port: cut.port }));
    expect((await visit(third.relay, { headers, body: Buffer.from("x") }).cut()).code).toBe(
      "upstream_failed",
    );
  });
});

describe("an upgrade", () => {
  const upgrade = {
    upgrade: true,
    headers: ["Host", "demo.relay.test", "Connection", "Upgrade", "Upgrade", "echo/1", "X-Kept", "1"],
    body: "open" as const,
  };

  it("carries bytes both ways, each direction ended by itself", async () => {
    const { port, socket } = await listenRaw();
    const rig = closing(startRig({ port }));
    const stream = visit(rig.relay, upgrade);
    const head = await readUntil(await socket, "\r\n\r\n");
    expect(head).toBe(
      `GET / HTTP/1.1\r\nHost: localhost:${port}\r\nX-Kept: 1\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n`,
    );
    (await socket).write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo/1\r\nConnection: Upgrade\r\n\r\nfirst",
    );
    await stream.until(() => stream.text === "first");
    expect(stream.head).toEqual({ status: 101, headers: ["Connection", "Upgrade", "Upgrade", "echo/1"] });
    stream.stream.write(Buffer.from("ping"));
    stream.stream.end();
    expect(await readUntil(await socket, "ping")).toBe("ping");
    // The visitor has finished, and the local service has not.
    (await socket).write(" and more");
    await stream.until(() => stream.text === "first and more");
    expect(stream.trailers).toBeUndefined();
    (await socket).end(" last");
    expect((await stream.complete()).text).toBe("first and more last");
    expect(rig.events[0]).toMatchObject({
      status: 101,
      error: undefined,
      responseBytes: 19,
      requestBytes: 4,
    });
  });

  it("lets the local service end first", async () => {
    const { port, socket } = await listenRaw();
    const rig = closing(startRig({ port }));
    const stream = visit(rig.relay, upgrade);
    await readUntil(await socket, "\r\n\r\n");
    (await socket).end(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo/1\r\nConnection: Upgrade\r\n\r\nbye",
    );
    expect((await stream.complete()).text).toBe("bye");
    stream.stream.write(Buffer.from("still here"));
    stream.stream.end();
    expect(await readUntil(await socket, "still here")).toBe("still here");
  });

  it("echoes a megabyte", async () => {
    const upstream = closing(await startUpstream());
    const rig = closing(startRig({ port: upstream.port }));
    const body = bytesAt(0, 1_000_000);
    const stream = visit(rig.relay, { ...upgrade, path: "/up", body });
    expect((await stream.complete()).body.equals(body)).toBe(true);
  });

  it("that is refused is an ordinary answer", async () => {
    const upstream = closing(await startUpstream());
    const rig = closing(startRig({ port: upstream.port }));
    const stream = visit(rig.relay, { ...upgrade, path: "/refuse" });
    stream.stream.write(Buffer.from("too early"));
    expect([(await stream.complete()).head?.status, stream.text]).toEqual([403, "no\n"]);
  });

  it("is cut on both sides when either is", async () => {
    const { port, socket } = await listenRaw();
    const rig = closing(startRig({ port }));
    const stream = visit(rig.relay, upgrade);
    await readUntil(await socket, "\r\n\r\n");
    (await socket).write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo/1\r\nConnection: Upgrade\r\n\r\n",
    );
    await stream.until(() => stream.head !== undefined);
    (await socket).resetAndDestroy();
    expect((await stream.cut()).code).toBe("upstream_failed");

    const upstream = closing(await startUpstream());
    const other = closing(startRig({ port: upstream.port }));
    const second = visit(other.relay, { ...upgrade, path: "/up" });
    await second.until(() => second.head !== undefined);
    const { socket: local } = upstream.requests[0] as { socket: Socket };
    second.stream.reset("cancelled");
    if (!local.destroyed) await once(local, "close");
  });
});
