import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { WebSocketServer } from "ws";
import { bytesAt } from "./bytes.js";

/** A request that reached the local service. */
export interface UpstreamRequest {
  method: string;
  /** The path as received, query included. */
  path: string;
  rawHeaders: string[];
  socket: Socket;
}

/**
 * The local service of the tests: an HTTP server on loopback. The path of a request chooses the answer: see
 * the routes below.
 */
export interface Upstream {
  readonly port: number;
  readonly url: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly UpstreamRequest[];
  /** Resolves with the next request, when its head has arrived. */
  nextRequest(): Promise<UpstreamRequest>;
  /**
   * Resolves with the path of the next exchange that is cut before the answer was complete, and the time
   * (performance.now).
   */
  nextAbort(): Promise<{ path: string; atMs: number }>;
  /** Sends an event to every open `/sse` stream. */
  emit(data: string): void;
  /** Open `/sse` streams. */
  readonly eventStreams: number;
  close(): Promise<void>;
}

type Route = (req: IncomingMessage, res: ServerResponse, url: URL, argument: string) => Promise<void> | void;

/** Starts the service on `port` (default: a free one). */
export async function startUpstream(port = 0): Promise<Upstream> {
  const events = new EventEmitter<{ request: [UpstreamRequest]; abort: [{ path: string; atMs: number }] }>();
  const requests: UpstreamRequest[] = [];
  const streams = new Set<ServerResponse>();

  const routes: Record<string, Route> = {
    ...plainRoutes,
    /** `/sse?count=N&intervalMs=M` sends N events; without a count it stays open for `emit`. */
    sse: async (_req, res, url) => {
      res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
      res.flushHeaders();
      const count = url.searchParams.get("count");
      if (count === null) {
        streams.add(res);
        res.on("close", () => streams.delete(res));
        return;
      }
      const intervalMs = Number(url.searchParams.get("intervalMs") ?? 0);
      for (let i = 1; i <= Number(count) && !res.destroyed; i++) {
        if (intervalMs > 0) await delay(intervalMs);
        if (!res.write(`id: ${i}\ndata: event ${i}\n\n`)) await drained(res);
      }
      res.end();
    },
  };

  function received(req: IncomingMessage): UpstreamRequest {
    const request: UpstreamRequest = {
      method: req.method ?? "",
      path: req.url ?? "",
      rawHeaders: req.rawHeaders,
      socket: req.socket,
    };
    requests.push(request);
    events.emit("request", request);
    return request;
  }

  const server = createServer((req, res) => {
    const { path } = received(req);
    res.on("close", () => {
      if (!res.writableFinished) events.emit("abort", { path, atMs: performance.now() });
    });
    const url = new URL(path, "http://upstream.test");
    const [, name = "", argument = ""] = url.pathname.split("/");
    const route = routes[name] ?? plainRoutes["headers"];
    // A visitor may leave while a route is at work: many tests do that.
    void (async () => route?.(req, res, url, argument))().catch(() => res.destroy());
  });
  const upgraded = new Set<Socket>();
  const webSockets = new WebSocketServer({ noServer: true });
  // Answers an upgrade to any protocol and sends every byte back. `/refuse` answers 403 instead, and
  // `/websocket` is a WebSocket that sends every message back.
  server.on("upgrade", (req: IncomingMessage, socket: Socket, head: Buffer) => {
    const { path } = received(req);
    socket.on("error", () => {});
    if (path.startsWith("/refuse")) {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n");
      return;
    }
    if (path.startsWith("/websocket")) {
      webSockets.handleUpgrade(req, socket, head, (ws) => {
        ws.on("message", (data, binary) => ws.send(data, { binary }));
      });
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n`,
    );
    socket.write(head);
    socket.pipe(socket);
    upgraded.add(socket);
    socket.on("close", (hadError) => {
      upgraded.delete(socket);
      if (hadError) events.emit("abort", { path, atMs: performance.now() });
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    requests,
    nextRequest: async () => (await once(events, "request"))[0],
    nextAbort: async () => (await once(events, "abort"))[0],
    emit(data) {
      for (const res of streams) res.write(`data: ${data}\n\n`);
    },
    get eventStreams() {
      return streams.size;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
      for (const ws of webSockets.clients) ws.terminate();
      await once(server, "close");
    },
  };
}

/**
 * The routes by first path segment; the second segment is `argument`. An unknown first segment means
 * `headers`.
 */
const plainRoutes: Record<string, Route> = {
  /** The request as it arrived, as JSON. */
  headers: async (req, res) => {
    const body = await collect(req);
    const answer = {
      method: req.method,
      path: req.url,
      rawHeaders: req.rawHeaders,
      body: body.toString("latin1"),
    };
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  },
  /** The request's body, piece by piece as it comes, with the request's type and length. */
  echo: async (req, res) => {
    for (const name of ["content-type", "content-length", "content-encoding"]) {
      const value = req.headers[name];
      if (value !== undefined) res.setHeader(name, value);
    }
    res.flushHeaders();
    await pipeline(req, res);
  },
  /** Length and SHA-256 of the request's body, as JSON. */
  hash: async (req, res) => {
    const hash = createHash("sha256");
    let length = 0;
    for await (const chunk of req) {
      hash.update(chunk);
      length += chunk.length;
    }
    res.writeHead(200, { "content-type": "application/json" });
    res.end(JSON.stringify({ length, sha256: hash.digest("hex") }));
  },
  /** `/bytes/N`: N bytes of the test body (bytes.ts), with a length, or `?chunked` without. */
  bytes: async (_req, res, url, argument) => {
    const length = Number(argument);
    res.setHeader("content-type", "application/octet-stream");
    if (!url.searchParams.has("chunked")) res.setHeader("content-length", length);
    for (let offset = 0; offset < length; offset += 65_536) {
      if (!res.write(bytesAt(offset, Math.min(65_536, length - offset)))) await drained(res);
      if (res.destroyed) return;
    }
    res.end();
  },
  /** `/status/N`, with a body where the status may have one. */
  status: (_req, res, _url, argument) => {
    const bodiless = argument === "204" || argument === "304";
    res.writeHead(Number(argument)).end(bodiless ? undefined : `status ${argument}\n`);
  },
  /** `/slow?ms=N`: answers after N milliseconds. */
  slow: async (_req, res, url) => {
    await delay(Number(url.searchParams.get("ms") ?? 1_000));
    res.end("slow\n");
  },
  /** Never answers. */
  hang: () => {},
  /** Resets the connection before any answer. */
  reset: (req) => {
    req.socket.resetAndDestroy();
  },
  /**
   * `/cut/N`: announces twice as much, sends N bytes of the test body, and resets. With `?chunked`, without a
   * length.
   */
  cut: (req, res, url, argument) => {
    const length = Number(argument);
    if (!url.searchParams.has("chunked")) res.setHeader("content-length", length * 2);
    res.write(bytesAt(0, length), () => req.socket.resetAndDestroy());
  },
  /** `/short/N`: announces N bytes, sends half of them and ends the connection in an orderly way. */
  short: (req, res, _url, argument) => {
    const length = Number(argument);
    res.setHeader("content-length", length);
    res.write(bytesAt(0, length >> 1), () => req.socket.end());
  },
  /** A body followed by trailers. */
  trailers: (_req, res) => {
    res.writeHead(200, { trailer: "X-Checksum, X-Late" });
    res.write("body\n");
    res.addTrailers({ "X-Checksum": "abc", "X-Late": "yes" });
    res.end();
  },
  /** 103 with a Link, then 200. */
  hints: (_req, res) => {
    res.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" }, () => res.end("hinted\n"));
  },
  /** Three cookies in three fields. */
  cookies: (_req, res) => {
    res.setHeader("set-cookie", ["a=1; Path=/", "b=2; HttpOnly", "c=3, with comma; Secure"]);
    res.end("cookies\n");
  },
  /** A gzipped body with its Content-Encoding. */
  gzip: (_req, res) => {
    const body = gzipSync("compressed ".repeat(100));
    res.writeHead(200, { "content-encoding": "gzip", "content-length": body.length }).end(body);
  },
  /** `/redirect?to=URL`. */
  redirect: (_req, res, url) => {
    res.writeHead(302, { location: url.searchParams.get("to") ?? "/" }).end();
  },
};

async function collect(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Resolves when the response takes more bytes, or when its visitor is gone. */
function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      res.off("drain", done);
      res.off("close", done);
      resolve();
    };
    res.on("drain", done);
    res.on("close", done);
    if (res.destroyed) done();
  });
}
