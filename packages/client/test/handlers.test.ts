import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createHttp2Server } from "node:http2";
import type { IncomingMessage, RequestListener } from "node:http";
import type { Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { bytesAt } from "../../../test/support/bytes.js";
import { createService } from "../src/create-service.js";
import { resolveOptions } from "../src/options.js";
import type { TunnelClientOptions } from "../src/options.js";
import { connectionPair } from "../src/service/handler/connection-pair.js";
import { ignored } from "../src/service/service.js";
import type { ServedTunnel, Service } from "../src/service/service.js";
import { startRig, visit } from "./relay-side.js";
import type { Rig } from "./relay-side.js";

const closing = closingAfterEach();

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function start(options: Partial<TunnelClientOptions>, tunnel: Partial<ServedTunnel> = {}): Rig {
  return closing(startRig(options, undefined, tunnel));
}

const visitorFields = [
  ...["Host", "demo.relay.test", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "demo.relay.test"],
  ...["X-Forwarded-Proto", "https", "Origin", "https://demo.relay.test"],
];

describe("what is served", () => {
  const handler: RequestListener = () => {};
  const fetch = (): Response => new Response();
  const service: Service = { accept: () => ignored, open: 0, close: async () => {} };

  it.each<[string, Partial<TunnelClientOptions>, string]>([
    ["nothing", {}, "give either 'port', 'target', 'handler', 'fetch', 'server' or 'service'"],
    ["two", { port: 1, fetch }, "give either 'port' or 'fetch': a client serves one of them"],
    ["three", { handler, fetch, service }, "give either 'handler', 'fetch' or 'service'"],
    ["no handler", { handler: 5 as never }, "handler is 5; it must be a function"],
    ["no service", { service: {} as never }, "it must be an object with the methods accept, close"],
    ["a host name that is not there", { fetch, hostHeader: "rewrite" }, "'fetch' has no name of its own"],
    ["a connection that is not made", { handler, connectTimeoutMs: 1 }, "no effect with 'handler'"],
    ["heads that are not bytes", { fetch, maxResponseHeadBytes: 2_000 }, "no effect with 'fetch'"],
    ["a service's own affair", { service, origin: "keep" }, "origin has no effect with 'service'"],
  ])("is one thing that fits the rest: %s", (_what, options, message) => {
    expect(() => resolveOptions({ relayUrl: "relay.test", ...options })).toThrow(
      expect.objectContaining({ code: "invalid_option", message: expect.stringContaining(message) }),
    );
  });

  it("is no server with TLS or of HTTP/2, which would wait for another language", () => {
    for (const server of [createTlsServer(), createHttp2Server(), {}]) {
      expect(() => createService({ server: server as never })).toThrow(/a Server of node:http/);
    }
  });

  it("is made by createService of the same options", async () => {
    expect(() => createService({ service } as never)).toThrow(/no option 'service'/);
    expect(() => createService({})).toThrow(/give either 'port', 'target', 'handler', 'fetch' or 'server'$/);
    const rig = start({ service: createService({ fetch: () => new Response("made") }) });
    expect((await visit(rig.relay).complete()).text).toBe("made");
  });
});

describe("a handler in Node's form", () => {
  /** Answers with the facts of `req` about its connection and the names in its head. */
  const tell: RequestListener = (req, res) => {
    const { remoteAddress, remoteFamily } = req.socket;
    const encrypted = (req.socket as { encrypted?: boolean }).encrypted === true;
    const { host, origin } = req.headers;
    const forwarded = req.headers["x-forwarded-proto"];
    res.setHeader("location", `http://${host}/next`);
    res.end(JSON.stringify({ remoteAddress, remoteFamily, encrypted, host, origin, forwarded }));
  };

  it("is told the public names, as they are", async () => {
    const rig = start({ handler: tell });
    const done = await visit(rig.relay, { headers: visitorFields }).complete();
    expect(JSON.parse(done.text)).toEqual({
      ...{ remoteAddress: "127.0.0.1", remoteFamily: "IPv4", encrypted: true },
      ...{ host: "demo.relay.test", origin: "https://demo.relay.test", forwarded: "https" },
    });
    expect(done.head?.headers.join()).toContain("http://demo.relay.test/next");
  });

  it("sees whether the visitor has TLS, as far as the relay is sure of it", async () => {
    const encrypted = async (
      tunnel: Partial<ServedTunnel>,
      proto: string,
      host: string,
    ): Promise<boolean> => {
      const rig = start({ handler: tell }, tunnel);
      const headers = ["Host", host, "X-Forwarded-Host", host, "X-Forwarded-Proto", proto];
      const done = await visit(rig.relay, { headers }).complete();
      return (JSON.parse(done.text) as { encrypted: boolean }).encrypted;
    };
    const plain = { origin: "http://demo.relay.test" };
    expect(await encrypted(plain, "http", "demo.relay.test")).toBe(false);
    expect(await encrypted(plain, "https", "demo.relay.test:8443")).toBe(true);
    expect(await encrypted({ ...plain, isForwardedOwn: false }, "https", "demo.relay.test")).toBe(false);
  });

  it("may be told another name, which visitors do not see", async () => {
    const rig = start({ handler: tell, hostHeader: "localhost:3000" });
    const done = await visit(rig.relay, { headers: visitorFields }).complete();
    expect(JSON.parse(done.text)).toMatchObject({
      ...{ encrypted: false, host: "localhost:3000", origin: "http://localhost:3000" },
    });
    expect(done.head?.headers.join()).toContain("https://demo.relay.test/next");
  });

  it("gets heads of any size that the relay sends", async () => {
    const rig = start({ handler: (req, res) => res.end(String(req.rawHeaders.length / 2)) });
    const fields = Array.from({ length: 2_000 }, (_, i) => [`X-${i}`, "x".repeat(100)]).flat();
    const done = await visit(rig.relay, { headers: ["Host", "demo.relay.test", ...fields] }).complete();
    // The one more is undici's own Connection.
    expect([done.head?.status, done.text]).toEqual([200, "2002"]);
  });

  it("shares kept-alive connections with nobody's idle time", async () => {
    const sockets = new Set<Socket>();
    const rig = start({
      handler: (req, res) => {
        sockets.add(req.socket);
        res.end();
      },
    });
    for (let i = 0; i < 5; i++) await visit(rig.relay).complete();
    expect(sockets.size).toBe(1);
  });

  it("that is cut by its server's timeout is an error like any other", async () => {
    const server = createServer(() => {});
    server.setTimeout(20);
    const rig = start({ server });
    expect((await visit(rig.relay).cut()).code).toBe("upstream_failed");
  });

  it("whose listener to connections throws is served all the same, and the exception is told", async () => {
    const server = createServer((_req, res) => res.end("served"));
    server.on("connection", () => {
      throw new Error("in a listener");
    });
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const uncaught = once(process, "uncaughtException");
    try {
      const rig = start({ server });
      expect((await visit(rig.relay).complete()).text).toBe("served");
      expect((await uncaught)[0]).toMatchObject({ message: "in a listener" });
    } finally {
      for (const listener of before) process.on("uncaughtException", listener);
    }
  });

  it("can destroy the upgraded connection, which the visitor sees end", async () => {
    const server = createServer();
    server.on("upgrade", (_req: IncomingMessage, socket: Socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbye", () =>
        socket.destroy(),
      );
    });
    const rig = start({ server });
    const headers = ["Connection", "Upgrade", "Upgrade", "x"];
    const stream = visit(rig.relay, { headers, upgrade: true, body: "open" });
    expect((await stream.complete()).text).toBe("bye");
    stream.stream.end();
    await vi.waitFor(() => expect(rig.service.open).toBe(0));
  });

  it("has its connection closed after an answer that cannot be passed on", async () => {
    const closed = vi.fn();
    const rig = start({
      maxResponseHeadBytes: 2_000,
      handler: (req, res) => {
        req.socket.once("close", closed);
        res.setHeader("X-Long", "a".repeat(2_000)).end();
      },
    });
    expect((await visit(rig.relay).cut()).message).toContain("longer than 2000 bytes");
    await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(1));
  });
});

describe("a handler in the web's form", () => {
  it("gets the request as its visitor would write it", async () => {
    let got: Request | undefined;
    const rig = start({
      fetch: async (request) => {
        got = request;
        return new Response(await request.text());
      },
    });
    const headers = [...visitorFields, "Cookie", "a=1", "Accept", "x", "cookie", "b=2", "accept", "y"];
    const body = Buffer.from("the body");
    const done = await visit(rig.relay, { method: "PUT", path: "/a%20b?q=\xe4#", headers, body }).cut();
    // A fragment does not travel; the rest does.
    expect(done.code).toBe("bad_message");
    const path = '/a%20b//c?q=\xe4"';
    expect((await visit(rig.relay, { method: "PUT", path, headers, body }).complete()).text).toBe("the body");
    expect([got?.method, got?.url]).toEqual(["PUT", "https://demo.relay.test/a%20b//c?q=%E4%22"]);
    expect(Object.fromEntries(got?.headers ?? [])).toMatchObject({
      ...{ host: "demo.relay.test", cookie: "a=1; b=2", accept: "x, y" },
      ...{ "x-forwarded-for": "203.0.113.9", origin: "https://demo.relay.test" },
    });
  });

  it("may be told another name, which visitors do not see", async () => {
    const fetch = ({ url, headers }: Request): Response =>
      Response.json([url, headers.get("host")], { headers: { location: url } });
    const rig = start({ fetch, hostHeader: "localhost:3000" });
    const done = await visit(rig.relay, { path: "/x", headers: visitorFields }).complete();
    expect(JSON.parse(done.text)).toEqual(["http://localhost:3000/x", "localhost:3000"]);
    expect(done.head?.headers).toEqual(expect.arrayContaining(["location", "https://demo.relay.test/x"]));
  });

  it("gets bytes of its own, which are no Buffers", async () => {
    const chunks: Uint8Array[] = [];
    const rig = start({
      fetch: async (request) => {
        for await (const chunk of request.body as ReadableStream<Uint8Array>) chunks.push(chunk);
        return new Response();
      },
    });
    await visit(rig.relay, { method: "POST", body: Buffer.from("abc") }).complete();
    expect(Buffer.isBuffer(chunks[0])).toBe(false);
    expect(chunks[0]?.buffer.byteLength).toBe(3);
  });

  it("gets no body of a GET, and the visitor is not held up by it", async () => {
    const rig = start({ fetch: ({ body }) => new Response(String(body)) });
    const body = bytesAt(0, 3_000_000);
    expect((await visit(rig.relay, { body }).complete()).text).toBe("null");
    await vi.waitFor(() => expect(rig.events.length).toBe(1));
  });

  it.each(["get", "Head"])("is asked with %s as a Request spells it, which has no body", async (method) => {
    const rig = start({ fetch: (request) => new Response(`${request.method} ${String(request.body)}`) });
    const done = await visit(rig.relay, { method, body: Buffer.from("body") }).complete();
    expect(done.text).toBe(`${method.toUpperCase()} null`);
    expect(rig.faults).toEqual([]);
  });

  it("is not asked with a method that a Request cannot have", async () => {
    const fetch = vi.fn(() => new Response());
    const rig = start({ fetch });
    expect((await visit(rig.relay, { method: "TRACE" }).complete()).head?.status).toBe(501);
    expect(fetch).not.toHaveBeenCalled();
    expect((await visit(rig.relay, { method: "OPTIONS", path: "*" }).complete()).head?.status).toBe(200);
  });

  it.each<[string, () => Response]>([
    ["an error for a response", () => Response.error()],
    ["no response", () => undefined as never],
    ["a body that was read", () => readResponse],
    ["a body that somebody reads", () => lockedResponse],
    ["a body that was read in part", () => begunResponse],
    ["a body of text", () => new Response(new ReadableStream({ start: (c) => c.enqueue("text") }))],
  ])("has failed with %s, and its program is told why", async (what, answer) => {
    await readResponse.text().catch(() => {});
    if (lockedResponse.body?.locked === false) lockedResponse.body.getReader();
    const begun = begunResponse.body?.getReader();
    await begun?.read();
    begun?.releaseLock();
    const rig = start({ fetch: answer });
    const stream = visit(rig.relay);
    const reset = await stream.cut();
    expect([reset.code, reset.message]).toEqual(["upstream_failed", "the request handler failed"]);
    if (!what.includes("text")) expect(stream.head).toBeUndefined();
    expect(rig.faults).toEqual([expect.any(TypeError)]);
  });

  it("may throw anything", async () => {
    const thrown: unknown = Object.create(null);
    const rig = start({
      fetch: () => {
        throw thrown;
      },
    });
    expect((await visit(rig.relay).cut()).code).toBe("upstream_failed");
    expect(rig.faults).toEqual([thrown]);
    await vi.waitFor(() => expect(rig.service.open).toBe(0));
  });

  it.each<[string, () => Promise<void>]>([
    ["never ends", () => new Promise(() => {})],
    ["fails", () => Promise.reject(new Error("cancel"))],
  ])("has answered a HEAD though the cancelling of its body %s", async (_what, cancel) => {
    const rig = start({ fetch: () => new Response(new ReadableStream({ cancel })) });
    expect((await visit(rig.relay, { method: "HEAD" }).complete()).head?.status).toBe(200);
    await vi.waitFor(() => expect(rig.service.open).toBe(0));
    expect([rig.events, rig.faults]).toMatchObject([[{ status: 200, error: undefined }], []]);
  });

  it("is told by its signal that the visitor left, and its body is cancelled", async () => {
    const cancelled = vi.fn();
    let signal: AbortSignal | undefined;
    const rig = start({
      fetch: (request) => {
        signal = request.signal;
        const body = new ReadableStream({ start: (c) => c.enqueue(Buffer.from("a")), cancel: cancelled });
        return new Response(body);
      },
    });
    const stream = visit(rig.relay);
    await stream.until(() => stream.text === "a");
    stream.stream.reset("cancelled", "gone");
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledTimes(1));
    expect(signal?.reason).toMatchObject({ name: "AbortError" });
    expect(rig.faults).toEqual([]);
  });

  it("is told by its signal though it has kept nothing else of the Request", async () => {
    const rig = start({
      fetch: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    });
    const streams = Array.from({ length: 10 }, () => visit(rig.relay).stream);
    await vi.waitFor(() => expect(rig.service.open).toBe(10));
    // A weak reference is looked at in a later turn.
    for (let i = 0; i < 2; i++) {
      collectGarbage();
      await new Promise(setImmediate);
    }
    for (const stream of streams) stream.reset("cancelled");
    await vi.waitFor(() => expect(rig.service.open).toBe(0));
  });

  it("that goes on though its visitor left is counted until it ends", async () => {
    let release: (response: Response) => void = () => {};
    const rig = start({ fetch: () => new Promise((resolve) => (release = resolve)) });
    const stream = visit(rig.relay);
    await vi.waitFor(() => expect(rig.service.open).toBe(1));
    stream.stream.reset("cancelled");
    await vi.waitFor(() => expect(rig.events.length).toBe(1));
    expect(rig.service.open).toBe(1);
    const cancelled = vi.fn();
    release(new Response(new ReadableStream({ cancel: cancelled })));
    await vi.waitFor(() => expect(rig.service.open).toBe(0));
    expect(cancelled).toHaveBeenCalledTimes(1);
  });
});

const readResponse = new Response("read");
const lockedResponse = new Response("locked");
const begunResponse = new Response("begun");

describe("a connection within the process", () => {
  it("delivers in a later turn, and a copy", async () => {
    const { client, server } = connectionPair(false);
    const got: Buffer[] = [];
    server.on("data", (chunk: Buffer) => got.push(chunk));
    const sent = Buffer.from("one");
    client.write(sent);
    expect(got).toEqual([]);
    await once(server, "data");
    sent.fill("x");
    expect(String(got[0])).toBe("one");
    client.destroy();
    await once(server, "end");
    server.destroy();
  });

  it("holds the writer up until there is room", async () => {
    const { client, server } = connectionPair(false);
    let written = 0;
    while (client.write(Buffer.alloc(16_384))) written += 16_384;
    expect(written).toBeLessThan(1_000_000);
    await new Promise(setImmediate);
    expect(client.writableNeedDrain).toBe(true);
    server.resume();
    await once(client, "drain");
    client.destroy();
    server.destroy();
  });

  it("ends each direction by itself, and is over with both", async () => {
    const { client, server } = connectionPair(false);
    const closed = [once(client, "close"), once(server, "close")];
    client.end("ping");
    server.resume();
    await once(server, "end");
    expect(server.writable).toBe(true);
    server.end("pong");
    const [answer] = (await once(client, "data")) as [Buffer];
    expect(String(answer)).toBe("pong");
    await Promise.all(closed);
  });

  it("is reset by a side that leaves without having read all, and by one that says so", async () => {
    const unread = connectionPair(false);
    unread.client.write("unread");
    await new Promise(setImmediate);
    unread.server.destroy();
    expect((await once(unread.client, "error"))[0]).toMatchObject({ code: "ECONNRESET" });

    const reset = connectionPair(false);
    reset.server.resetAndDestroy();
    expect((await once(reset.client, "error"))[0]).toMatchObject({ code: "ECONNRESET" });
  });

  it("fails the writes of a side whose other is gone", async () => {
    const { client, server } = connectionPair(false);
    server.destroy();
    client.resume();
    await once(client, "end");
    client.write("late");
    expect((await once(client, "error"))[0]).toMatchObject({ code: "EPIPE" });
  });

  it("has timeouts of any length, and none once it is over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { client, server } = connectionPair(false);
      const timedOut = vi.fn();
      server.setTimeout(2 ** 40, timedOut);
      vi.advanceTimersByTime(1_000);
      client.destroy();
      server.destroy();
      server.setTimeout(1_000, timedOut);
      expect(vi.getTimerCount()).toBe(0);
      expect(timedOut).not.toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });

  it("has a socket's timeout, which traffic puts off", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { client, server } = connectionPair(false);
      const timedOut = vi.fn();
      server.setTimeout(1_000, timedOut);
      server.resume();
      vi.advanceTimersByTime(900);
      client.write("a");
      await once(server, "data");
      vi.advanceTimersByTime(900);
      expect(timedOut).not.toHaveBeenCalled();
      vi.advanceTimersByTime(200);
      expect(timedOut).toHaveBeenCalledTimes(1);
      server.setTimeout(0);
      client.destroy();
      server.destroy();
    } finally {
      vi.useRealTimers();
    }
  });
});
