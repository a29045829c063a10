import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import { pipeline } from "node:stream/promises";
import type { Duplex } from "node:stream";
import { once } from "node:events";

/** Facts that a service of the contract suite has seen. */
export interface Seen {
  /** Paths of exchanges whose end the service was told before it had answered in full. */
  readonly aborted: string[];
  /** Bytes that `/flood` has written so far. */
  flooded: number;
  /** Bytes that `/sip` has read so far. */
  sipped: number;
  /** Makes `/sip` read on. Defined once `/sip` was requested. */
  readOn: (() => void) | undefined;
}

export function newSeen(): Seen {
  return { aborted: [], flooded: 0, sipped: 0, readOn: undefined };
}

export const floodChunk = Buffer.alloc(16_384, "f");

/**
 * The application of the contract suite as a Node handler:
 *
 * - `/hello` has a body, two cookies and a field; `/status/N` has no body;
 * - `/echo` sends the request's body back as it comes; `/sip` reads only when it is told to, then answers the
 *   length;
 * - `/early` answers without reading the body; `/hang` never answers; `/part` sends a part and never ends;
 *   `/flood` never ends and writes as fast as it may;
 * - `/throw` fails before its head, `/cut` after a part of its body;
 * - `/trailers` and `/hints` use parts of HTTP/1.1 beside heads and bodies.
 */
export function nodeApp(seen: Seen): RequestListener {
  return (req, res) => {
    const path = req.url ?? "";
    res.on("close", () => {
      if (!res.writableFinished) seen.aborted.push(path);
    });
    switch (path) {
      case "/echo":
        res.flushHeaders();
        pipeline(req, res).catch(() => res.destroy());
        return;
      case "/sip":
        seen.readOn = () => {
          req.on("data", (chunk: Buffer) => (seen.sipped += chunk.length));
          req.on("end", () => res.end(String(seen.sipped)));
        };
        return;
      case "/early":
        res.writeHead(413).end("too much");
        return;
      case "/hang":
        return;
      case "/part":
        res.write("part");
        return;
      case "/flood": {
        const pump = (): void => {
          do seen.flooded += floodChunk.length;
          while (res.write(floodChunk));
        };
        res.on("drain", pump);
        pump();
        return;
      }
      case "/throw":
        req.socket.destroy();
        return;
      case "/cut":
        res.write("part", () => req.socket.destroy());
        return;
      case "/trailers":
        res.writeHead(200, { trailer: "X-Sum" });
        res.write("body");
        res.addTrailers({ "X-Sum": "1" });
        res.end();
        return;
      case "/hints":
        res.writeEarlyHints({ link: "</a.css>; rel=preload" }, () => res.end("hinted"));
        return;
      case "/got":
        void once(req.resume(), "end").then(() => {
          res.end(JSON.stringify({ method: req.method, trailers: req.rawTrailers }));
        });
        return;
      default:
        if (path.startsWith("/status/")) res.writeHead(Number(path.slice(8))).end();
        else res.writeHead(200, { "x-odd": "\xe4", "set-cookie": ["a=1", "b=2"] }).end("hello");
    }
  };
}

/** The same application in a server that does not listen; an upgrade sends every byte back. */
export function nodeServer(seen: Seen): Server {
  const server = createServer(nodeApp(seen));
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => {});
    socket.on("close", () => seen.aborted.push(req.url ?? ""));
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n`,
    );
    socket.write(head);
    socket.pipe(socket);
  });
  return server;
}

/** The same application as a handler in the web's form, as far as that form can do it. */
export function webApp(seen: Seen): (request: Request) => Response | Promise<Response> {
  return async (request) => {
    const path = new URL(request.url).pathname;
    request.signal.addEventListener("abort", () => seen.aborted.push(path));
    switch (path) {
      case "/echo":
        return new Response(request.body);
      case "/sip":
        await new Promise<void>((resolve) => (seen.readOn = resolve));
        for await (const chunk of request.body as ReadableStream<Uint8Array>) seen.sipped += chunk.length;
        return new Response(String(seen.sipped));
      case "/early":
        return new Response("too much", { status: 413 });
      case "/hang":
        return new Promise((_resolve, reject) => {
          request.signal.addEventListener("abort", () => reject(request.signal.reason as Error));
        });
      case "/part":
        return new Response(new ReadableStream({ start: (part) => part.enqueue(Buffer.from("part")) }));
      case "/flood":
        return new Response(
          new ReadableStream({
            pull(flood) {
              seen.flooded += floodChunk.length;
              flood.enqueue(floodChunk);
            },
          }),
        );
      case "/throw":
        throw new Error("secret of the handler");
      case "/cut": {
        const chunks = [Buffer.from("part")];
        return new Response(
          new ReadableStream({
            pull(cut) {
              const chunk = chunks.pop();
              if (chunk === undefined) cut.error(new Error("secret of the body"));
              else cut.enqueue(chunk);
            },
          }),
        );
      }
      case "/got":
        return Response.json({ method: request.method, trailers: [] });
      default: {
        if (path.startsWith("/status/")) return new Response(null, { status: Number(path.slice(8)) });
        const headers: [string, string][] = [
          ["x-odd", "\xe4"],
          ["set-cookie", "a=1"],
          ["set-cookie", "b=2"],
        ];
        return new Response("hello", { headers });
      }
    }
  };
}
