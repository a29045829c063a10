import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { Pool, type Dispatcher } from "undici";

/**
 * The floor: the cost of one reverse proxy in Node with no tunnel at all. It is a `node:http` server and
 * undici's `dispatch`, with raw headers and nothing that is not needed, so that the tunnel is compared with
 * the best that Node does. Only the bench uses it. It has no limits, no log and no error pages.
 */
export interface Floor {
  readonly port: number;
  close(): Promise<void>;
}

/** Fields that belong to one connection (RFC 9110 section 7.6.1), and `expect`, which undici refuses. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Starts a proxy on loopback to the service at `upstreamPort`. Port 0 picks a free one. */
export async function startFloor(upstreamPort: number, port = 0): Promise<Floor> {
  const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, {
    connections: null,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const server = createServer({ requestTimeout: 0, headersTimeout: 0 }, (req, res) => {
    const hasBody =
      req.headers["content-length"] !== undefined || req.headers["transfer-encoding"] !== undefined;
    pool.dispatch(
      {
        method: req.method as Dispatcher.HttpMethod,
        path: req.url as string,
        headers: endToEnd(req.rawHeaders),
        body: hasBody ? req : null,
      },
      new Answer(req, res),
    );
  });
  const upgraded = new Set<Duplex>();
  server.on("upgrade", (req, socket, head) => {
    upgraded.add(socket);
    socket.on("close", () => upgraded.delete(socket));
    tunnelUpgrade(upstreamPort, req, socket, head);
  });
  server.listen(port, "127.0.0.1", 4096);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => closeFloor(server, pool, upgraded),
  };
}

async function closeFloor(server: Server, pool: Pool, upgraded: Set<Duplex>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  for (const socket of upgraded) socket.destroy();
  await pool.destroy();
  await closed;
}

function endToEnd(raw: string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (!hopByHop.has(name.toLowerCase())) kept.push(name, raw[i + 1] as string);
  }
  return kept;
}

/**
 * Receives undici's response. This is the older form of its handler: the newer form parses every head once
 * more.
 */
class Answer implements Dispatcher.DispatchHandler {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  /** Bytes of the body still to come, if the head tells the length. */
  #missing = -1;
  #done = false;
  #listensForDrain = false;
  #abort: ((error?: Error) => void) | undefined;
  #resume: (() => void) | undefined;

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req;
    this.#res = res;
    res.on("close", () => {
      if (!this.#done) this.#abort?.(new Error("the visitor went away"));
    });
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    if (this.#res.destroyed) abort(new Error("the visitor went away"));
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return true;
    this.#resume = resume;
    const headers: string[] = [];
    for (let i = 0; i < raw.length; i += 2) {
      const name = (raw[i] as Buffer).toString("latin1");
      const lower = name.toLowerCase();
      if (hopByHop.has(lower)) continue;
      const value = (raw[i + 1] as Buffer).toString("latin1");
      if (lower === "content-length") this.#missing = Number(value);
      headers.push(name, value);
    }
    if (this.#req.method === "HEAD") this.#missing = -1;
    this.#res.writeHead(status, statusText, headers);
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (chunk.length === this.#missing) {
      // Head, body and end in one write.
      this.#done = true;
      this.#res.end(chunk);
      return true;
    }
    this.#missing -= chunk.length;
    if (this.#res.write(chunk)) return true;
    if (!this.#listensForDrain) {
      this.#listensForDrain = true;
      this.#res.on("drain", () => this.#resume?.());
    }
    return false;
  }

  onComplete(): void {
    if (this.#done) return;
    this.#done = true;
    this.#res.end();
  }

  onError(): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#res.headersSent) this.#res.destroy();
    else this.#res.writeHead(502).end("upstream error\n");
  }
}

/** Upgrades are passed on as bytes, the answer's head included. */
function tunnelUpgrade(upstreamPort: number, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  const upstream = connect({ port: upstreamPort, host: "127.0.0.1", noDelay: true });
  let text = `${req.method} ${req.url} HTTP/1.1\r\n`;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    text += `${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}\r\n`;
  }
  upstream.write(`${text}\r\n`, "latin1");
  if (head.length > 0) upstream.write(head);
  socket.on("error", () => upstream.destroy());
  upstream.on("error", () => socket.destroy());
  socket.on("close", () => upstream.destroy());
  upstream.on("close", () => socket.destroy());
  socket.pipe(upstream).pipe(socket);
}
