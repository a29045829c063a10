import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
  type Settings,
} from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

type Headers = IncomingHttpHeaders & IncomingHttpStatusHeader;

/**
 * A way in without TLS, for clients that the tests script. It passes all data on to the relay over TLS, as
 * HTTP/1.1.
 */
export async function plainEntrance(relayPort: number): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const secure = connectTls({ port: relayPort, host: "127.0.0.1", rejectUnauthorized: false });
    for (const [one, other] of [
      [socket, secure],
      [secure, socket],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A request over HTTP/2 and its response. */
export class Http2Exchange {
  readonly stream: ClientHttp2Stream;
  readonly interim: Headers[] = [];
  trailers: IncomingHttpHeaders | undefined;
  /** Resolves with the final head; rejects when the stream ends without one. */
  readonly head: Promise<Headers>;
  /**
   * Resolves when the stream is closed, with the code of the reset (0 for none) and whether the body ended.
   */
  readonly closed: Promise<{ code: number; ended: boolean }>;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    stream.on("headers", (headers: Headers) => this.interim.push(headers));
    stream.on("trailers", (trailers) => {
      this.trailers = trailers;
    });
    stream.on("error", () => {});
    stream.on("end", () => {
      this.#ended = true;
    });
    this.head = new Promise((resolve, reject) => {
      stream.on("response", resolve);
      stream.on("close", () => reject(new Error(`closed with code ${stream.rstCode} before the head`)));
    });
    this.head.catch(() => {});
    this.closed = new Promise((resolve) => {
      stream.on("close", () => resolve({ code: stream.rstCode ?? -1, ended: this.#ended }));
    });
  }

  /** Takes the body as it comes. */
  read(): this {
    this.stream.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      this.#wake?.();
    });
    return this;
  }

  get body(): string {
    return Buffer.concat(this.#chunks).toString("latin1");
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Waits until this many bytes of the body have come. */
  async until(bytes: number): Promise<void> {
    while (this.#bytes < bytes) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A visitor with one HTTP/2 connection to the relay. */
export class Http2Visitor {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on("error", () => {});
  }

  static async connect(port: number, settings: Settings = {}): Promise<Http2Visitor> {
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, settings });
    const visitor = new Http2Visitor(session);
    await once(session, "remoteSettings");
    return visitor;
  }

  /** Sends a request to the tunnel `app`. Without `body` it has no body; with `null` it is left open. */
  request(headers: OutgoingHttpHeaders, body?: string | Buffer | null): Http2Exchange {
    const stream = this.session.request(
      { ":authority": "app.localhost", ...headers },
      { endStream: body === undefined },
    );
    const exchange = new Http2Exchange(stream);
    if (body !== undefined && body !== null) stream.end(body);
    return exchange;
  }

  close(): void {
    this.session.destroy();
  }
}
