import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

// A relay that reads and sends exactly the messages of the original relay. It was written from the
// description of the wire and shares no code with this project's packages. It serves no visitors: a test asks
// through it.

export interface OriginalRelayOptions {
  version: "0.1" | "0.2";
  /** Patterns to offer to a client before the acknowledgement. Default: no offer. */
  offer?: string[];
  /** Refuses every client with 4001 and this reason. Default: none. */
  refuse?: string | undefined;
}

/** A client's answer, as the original relay would pass it on to a visitor. */
export interface OriginalAnswer {
  status: number;
  /** Names in lower case. One entry for each field of the HTTP message. */
  headers: [string, string][];
  body: Buffer;
  /** The client gave up after the head (0.2), so the visitor's answer breaks off. */
  broken: boolean;
  /**
   * The last piece came in a later read than the head (0.2). Some part of the original may hold on to the
   * body by then, and then the visitor's answer, complete here, never ends.
   */
  leftOpen: boolean;
}

/** A request under way. */
export interface OriginalExchange {
  readonly id: string;
  /** Resolves when the head is known. */
  readonly head: Promise<Pick<OriginalAnswer, "status" | "headers">>;
  /** Resolves with the next piece of the body; with `undefined` after the last. */
  nextChunk(): Promise<Buffer | undefined>;
  /** Resolves when the answer is complete or broken off. */
  readonly answer: Promise<OriginalAnswer>;
  /** The visitor leaves. 0.2 tells the client, 0.1 cannot. */
  cancel(): void;
}

/** A client that has registered. */
export interface OriginalTunnel {
  /** The registration as it came, also with fields that the original ignores. */
  readonly registration: Record<string, unknown>;
  readonly subdomain: string;
  /** Every message after the registration, unchanged. */
  readonly received: readonly Record<string, unknown>[];
  /** Messages that the original's deserialiser would refuse. */
  readonly skipped: readonly unknown[];
  request(request: {
    method?: string;
    path?: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
  }): OriginalExchange;
  /** Sends this text unchanged. */
  say(text: string): void;
  /** Ends the tunnel as if another client had registered the same name. */
  evict(): void;
  /** Cuts the connection. */
  drop(): void;
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface OriginalRelay {
  readonly port: number;
  /** The option `refuse`, from now on. */
  refuse: string | undefined;
  /** Resolves with the next client that has registered and been acknowledged. */
  nextTunnel(): Promise<OriginalTunnel>;
  close(): Promise<void>;
}

/** Starts one on a free port of loopback. */
export async function startOriginalRelay(options: OriginalRelayOptions): Promise<OriginalRelay> {
  // The limit of the original's WebSocket library for one frame.
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    path: "/_tunnel/register",
    maxPayload: 16 * 1024 * 1024,
    perMessageDeflate: false,
  });
  await once(server, "listening");
  // Tunnels for which no caller has asked yet wait here.
  const events = new EventEmitter<{ tunnel: [] }>();
  const waiting: OriginalTunnel[] = [];
  server.on("connection", (socket, { socket: connection }) => {
    const reads = { count: 0 };
    // This listener comes before the one of ws, which hands out all messages of a read at once.
    connection.prependListener("data", () => {
      reads.count += 1;
    });
    // Every error is followed by a close.
    socket.on("error", () => {});
    register(socket, { ...options, refuse: relay.refuse }, reads, (tunnel) => {
      waiting.push(tunnel);
      events.emit("tunnel");
    });
  });
  const relay: OriginalRelay = {
    port: (server.address() as AddressInfo).port,
    refuse: options.refuse,
    async nextTunnel() {
      if (waiting.length === 0) await once(events, "tunnel");
      return waiting.shift() as OriginalTunnel;
    },
    async close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
  return relay;
}

/** The number of reads from a connection so far. */
interface Reads {
  readonly count: number;
}

function register(
  socket: WebSocket,
  options: OriginalRelayOptions,
  reads: Reads,
  onTunnel: (tunnel: OriginalTunnel) => void,
): void {
  let registration: Record<string, unknown> | undefined;
  const acknowledge = (subdomain: string, known: Record<string, unknown>): void => {
    socket.off("message", onMessage);
    socket.send(JSON.stringify({ subdomain, url: `https://${subdomain}.tunnel.example` }));
    onTunnel(new Tunnel(socket, reads, options.version, known, subdomain));
  };
  const onMessage = (data: Buffer, isBinary: boolean): void => {
    const message = isBinary ? undefined : parse(data.toString());
    if (message === undefined) return;
    const { token, subdomain } = message;
    if (registration !== undefined) {
      if (typeof subdomain === "string") acknowledge(subdomain, registration);
      return;
    }
    if (typeof token !== "string" || !(subdomain === undefined || isOptionalString(subdomain))) return;
    if (options.refuse !== undefined) {
      socket.close(4001, options.refuse);
      return;
    }
    if (options.offer === undefined) acknowledge(subdomain ?? "drawn", message);
    else {
      registration = message;
      socket.send(JSON.stringify({ subdomains: options.offer }));
    }
  };
  socket.on("message", onMessage);
}

class Tunnel implements OriginalTunnel {
  readonly received: Record<string, unknown>[] = [];
  readonly skipped: unknown[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly registration: Record<string, unknown>;
  readonly subdomain: string;
  readonly #socket: WebSocket;
  readonly #reads: Reads;
  readonly #version: "0.1" | "0.2";
  readonly #pending = new Map<string, Exchange>();

  constructor(
    socket: WebSocket,
    reads: Reads,
    version: "0.1" | "0.2",
    registration: Record<string, unknown>,
    subdomain: string,
  ) {
    this.#socket = socket;
    this.#reads = reads;
    this.#version = version;
    this.registration = registration;
    this.subdomain = subdomain;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      const message = isBinary ? undefined : parse(data.toString());
      if (message !== undefined) this.received.push(message);
      const taken =
        message !== undefined && (version === "0.1" ? this.#take01(message) : this.#take02(message));
      if (!taken) this.skipped.push(message ?? data);
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        for (const exchange of this.#pending.values()) exchange.end(true);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  request(options: Parameters<OriginalTunnel["request"]>[0]): OriginalExchange {
    const id = randomUUID();
    const exchange = new Exchange(id, () => {
      this.#pending.delete(id);
      if (this.#version === "0.2") this.say(JSON.stringify({ kind: "cancel", id }));
    });
    this.#pending.set(id, exchange);
    const body = Buffer.from((options.body ?? "") as string);
    const request = {
      id,
      method: options.method ?? "GET",
      path: options.path ?? "/",
      headers: options.headers ?? {},
      body: body.length === 0 ? null : body.toString("base64"),
    };
    this.say(JSON.stringify(this.#version === "0.1" ? request : { kind: "request", ...request }));
    return exchange;
  }

  say(text: string): void {
    this.#socket.send(text);
  }

  evict(): void {
    this.#socket.close(4002, "evicted: another client registered with the same tunnel");
  }

  drop(): void {
    this.#socket.terminate();
  }

  /** Returns whether the original can read the message, whatever its id. */
  #take01({ id, status, headers, body }: Record<string, unknown>): boolean {
    if (typeof id !== "string" || !isStatus(status) || !isStringMap(headers)) return false;
    if (body !== undefined && !isOptionalString(body)) return false;
    const exchange = this.#pending.get(id);
    this.#pending.delete(id);
    exchange?.begin(status, headers);
    exchange?.push(Buffer.from(body ?? "", "base64"));
    exchange?.end(false);
    return true;
  }

  #take02(message: Record<string, unknown>): boolean {
    const { kind, id } = message;
    if (typeof id !== "string") return false;
    const exchange = this.#pending.get(id);
    switch (kind) {
      case "response_head": {
        const { status, headers } = message;
        if (!isStatus(status) || !isStringMap(headers)) return false;
        exchange?.begin(status, headers, this.#reads.count);
        return true;
      }
      case "response_chunk": {
        const { data, last } = message;
        if (typeof data !== "string" || typeof last !== "boolean") return false;
        // The original reads a chunk before its head and drops it, even if it is the last chunk.
        if (exchange === undefined || !exchange.begun) return true;
        exchange.push(Buffer.from(data, "base64"));
        if (last) {
          this.#pending.delete(id);
          exchange.end(false, this.#reads.count);
        }
        return true;
      }
      case "response_error": {
        const text = message["message"];
        if (typeof text !== "string") return false;
        this.#pending.delete(id);
        exchange?.fail(text);
        return true;
      }
      default:
        return false;
    }
  }
}

class Exchange implements OriginalExchange {
  readonly id: string;
  readonly cancel: () => void;
  readonly head: Promise<Pick<OriginalAnswer, "status" | "headers">>;
  readonly answer: Promise<OriginalAnswer>;
  readonly #events = new EventEmitter<{ head: []; piece: []; end: [] }>();
  readonly #unread: Buffer[] = [];
  readonly #body: Buffer[] = [];
  #head: Pick<OriginalAnswer, "status" | "headers"> | undefined;
  #headRead: number | undefined;
  #leftOpen = false;
  #state: "open" | "complete" | "broken" = "open";

  constructor(id: string, cancel: () => void) {
    this.id = id;
    this.cancel = cancel;
    this.head = once(this.#events, "head").then(() => this.#knownHead());
    this.answer = once(this.#events, "end").then(() => ({
      ...this.#knownHead(),
      body: Buffer.concat(this.#body),
      broken: this.#state === "broken",
      leftOpen: this.#leftOpen,
    }));
    // A test may look at only one of the two.
    this.head.catch(() => {});
    this.answer.catch(() => {});
  }

  async nextChunk(): Promise<Buffer | undefined> {
    if (this.#unread.length === 0 && this.#state === "open") await once(this.#events, "piece");
    return this.#unread.shift();
  }

  /** `read`: the number of the read that brought the head. */
  begin(status: number, headers: Record<string, string>, read?: number): void {
    if (this.#head !== undefined) return;
    this.#headRead = read;
    // The original adds one field for each key of the map, and leaves out the hop-by-hop fields.
    const fields = Object.entries(headers).map(([name, value]): [string, string] => [
      name.toLowerCase(),
      value,
    ]);
    this.#head = { status, headers: fields.filter(([name]) => !hopByHop.has(name)) };
    this.#events.emit("head");
  }

  get begun(): boolean {
    return this.#head !== undefined;
  }

  push(data: Buffer): void {
    if (data.length === 0) return;
    this.#body.push(data);
    this.#unread.push(data);
    this.#events.emit("piece");
  }

  /** If there is no head yet, the original makes one up. */
  fail(message: string): void {
    if (this.#head !== undefined) {
      this.end(true);
      return;
    }
    this.begin(502, {});
    this.push(Buffer.from(`upstream error: ${message}`));
    this.end(false);
  }

  end(broken: boolean, read = this.#headRead): void {
    if (this.#state !== "open") return;
    this.#leftOpen = read !== this.#headRead;
    this.#state = broken ? "broken" : "complete";
    this.#events.emit("piece");
    this.#events.emit("end");
  }

  #knownHead(): Pick<OriginalAnswer, "status" | "headers"> {
    if (this.#head === undefined) throw new Error(`the exchange ${this.id} ended without a head`);
    return this.#head;
  }
}

const hopByHop = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const isStatus = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff;

const isOptionalString = (value: unknown): value is string | null =>
  value === null || typeof value === "string";

/** A map from string to string: an array as a value makes the original refuse the whole message. */
const isStringMap = (value: unknown): value is Record<string, string> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((held) => typeof held === "string");
