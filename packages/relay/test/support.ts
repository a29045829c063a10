import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  type AcknowledgeMessage,
  type AcceptedStream,
  type RawHeaders,
  type Refusal,
  type RequestHead,
  type StreamHandler,
  type StreamReset,
  type TunnelError,
} from "mcp-tunnel-protocol";
import { defaultWindow, V1ClientSession } from "mcp-tunnel-protocol/sessions";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import WebSocket from "ws";
import {
  createRelay,
  type ExchangeRecord,
  type Relay,
  type RelayOptions,
  type TunnelStatus,
} from "../src/index.js";

/** A relay for the domain `localhost` on a free port, and the records that its observer got. */
export interface TestRelay {
  port: number;
  relay: Relay;
  records: ExchangeRecord[];
  /** Waits for the nth record (from 1). */
  record(nth: number): Promise<ExchangeRecord>;
  /** Waits until this message has been logged. */
  logged(message: string): Promise<void>;
  tunnels(): TunnelStatus[];
  close(graceMs?: number): Promise<void>;
}

export async function startRelay(options: Partial<RelayOptions> = {}): Promise<TestRelay> {
  const records: ExchangeRecord[] = [];
  const messages: string[] = [];
  const waiters: (() => void)[] = [];
  const log = (_: object, message: string): void => {
    messages.push(message);
    for (const wake of waiters.splice(0)) wake();
  };
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    // A request for a name without a client is refused at once.
    startupHoldMs: 0,
    logger: { debug: log, info: log, warn: log, error: log },
    observers: [
      {
        onEnd(record) {
          records.push(record);
          for (const wake of waiters.splice(0)) wake();
        },
      },
    ],
    ...options,
  });
  const { port } = await relay.listen();
  return {
    port,
    relay,
    records,
    async record(nth) {
      for (;;) {
        const record = records[nth - 1];
        if (record !== undefined) return record;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
    async logged(message) {
      while (!messages.includes(message)) await new Promise<void>((resolve) => waiters.push(resolve));
    },
    tunnels: () => relay.tunnels(),
    close: (graceMs = 0) => relay.close(graceMs),
  };
}

/** A WebSocket at the registration path that sends exactly what a test gives it. */
export class ScriptedClient {
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #messages: string[] = [];
  #wake: (() => void) | undefined;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on("message", (data: Buffer) => {
      this.#messages.push(data.toString());
      this.#wake?.();
    });
    ws.on("error", () => {});
    this.closed = new Promise((resolve) => {
      ws.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  static async connect(port: number, headers: Record<string, string> = {}): Promise<ScriptedClient> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`, { headers });
    const client = new ScriptedClient(ws);
    await once(ws, "open");
    return client;
  }

  static async registered(port: number, message: object): Promise<ScriptedClient> {
    const client = await ScriptedClient.connect(port);
    client.send(message);
    await client.next();
    return client;
  }

  send(message: object | string): void {
    this.ws.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The next message; rejects when the connection is closed instead. */
  async next(): Promise<Record<string, unknown>> {
    while (this.#messages.length === 0) {
      if (this.ws.readyState === WebSocket.CLOSED) throw new Error("the connection is closed");
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
        this.closed,
      ]);
    }
    return JSON.parse(this.#messages.shift() as string) as Record<string, unknown>;
  }

  /** Answers requests with their own path, in the shape of version 0.1, until it is closed. */
  async serve(body: string): Promise<void> {
    while (this.ws.readyState === WebSocket.OPEN) {
      const request = await this.next().catch(() => undefined);
      if (request === undefined) return;
      this.send({ id: request["id"], status: 200, headers: {}, body: Buffer.from(body).toString("base64") });
    }
  }

  close(): void {
    this.ws.terminate();
  }
}

/** A stream as a test sees it at the client's end. */
export class AcceptedExchange implements StreamHandler {
  readonly stream: AcceptedStream;
  readonly head: RequestHead;
  readonly chunks: Buffer[] = [];
  /** Resolves with the trailers when the visitor's direction has ended. */
  readonly ended: Promise<RawHeaders>;
  readonly wasReset: Promise<StreamReset>;
  /** Whether data is consumed as it comes. */
  consuming = true;
  onDrain: () => void = () => {};
  #end!: (trailers: RawHeaders) => void;
  #reset!: (reason: StreamReset) => void;
  #wake: (() => void) | undefined;

  constructor(stream: AcceptedStream, head: RequestHead) {
    this.stream = stream;
    this.head = head;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.wasReset = new Promise((resolve) => {
      this.#reset = resolve;
    });
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  /** Waits until this many bytes of the body have come. */
  async bytes(count: number): Promise<void> {
    while (this.chunks.reduce((sum, chunk) => sum + chunk.length, 0) < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  onData(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    if (this.consuming) this.stream.consumed(chunk.length);
    this.#wake?.();
  }

  onEnd(trailers: RawHeaders): void {
    this.#end(trailers);
  }

  onReset(reason: StreamReset): void {
    this.#reset(reason);
  }
}

/** A client of version 1 whose answers the test gives. */
export class V1Client {
  readonly session: V1ClientSession;
  acknowledge: AcknowledgeMessage;
  link: WebSocketLink;
  readonly detached: TunnelError[] = [];
  readonly closed: Promise<{ error: TunnelError; code: number | undefined }>;
  goaways = 0;
  /** The refusals that it was told, message by message. */
  readonly refused: (readonly Refusal[])[] = [];
  readonly #accepted: AcceptedExchange[] = [];
  readonly #port: number;
  #wake: (() => void) | undefined;

  private constructor(
    port: number,
    link: WebSocketLink,
    acknowledge: AcknowledgeMessage,
    takesRefusals: boolean,
  ) {
    this.#port = port;
    this.link = link;
    this.acknowledge = acknowledge;
    let close: (value: { error: TunnelError; code: number | undefined }) => void;
    this.closed = new Promise((resolve) => {
      close = resolve;
    });
    this.session = new V1ClientSession(
      (stream, head) => {
        const exchange = new AcceptedExchange(stream, head);
        this.#accepted.push(exchange);
        this.#wake?.();
        return exchange;
      },
      {
        onClose: (error, code) => close({ error, code }),
        onDetached: (cause) => this.detached.push(cause),
        onGoaway: () => {
          this.goaways += 1;
        },
        ...(takesRefusals ? { onRefused: (refusals) => this.#onRefused(refusals) } : {}),
      },
      { sendWindow: acknowledge.window ?? defaultWindow },
    );
    this.session.attach(link, 0);
  }

  static async connect(port: number, subdomain: string, more: object = {}): Promise<V1Client> {
    const { link, acknowledge } = await registerV1(port, { token: "t", subdomain, ...more });
    return new V1Client(port, link, acknowledge, "refusals" in more);
  }

  #onRefused(refusals: readonly Refusal[]): void {
    this.refused.push(refusals);
    this.#wake?.();
  }

  /** The nth message about refusals, from 1. */
  async refusals(nth: number): Promise<readonly Refusal[]> {
    for (;;) {
      const told = this.refused[nth - 1];
      if (told !== undefined) return told;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next request. */
  async accept(): Promise<AcceptedExchange> {
    while (this.#accepted.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#accepted.shift() as AcceptedExchange;
  }

  /** Cuts the connection as a network would. This end knows at once. */
  cut(): void {
    this.link.terminate();
  }

  get resumeFields(): object {
    const { id: session, secret } = this.acknowledge.session as { id: string; secret: string };
    return { resume: { session, secret, received: this.session.received } };
  }

  /** Reconnects and resumes the session, at another relay if `port` is that of another. */
  async resume(port = this.#port): Promise<void> {
    const { link, acknowledge } = await registerV1(port, { token: "t", ...this.resumeFields });
    if (acknowledge.resumed === undefined) {
      link.terminate();
      throw new Error("the relay did not resume the session");
    }
    this.link = link;
    this.session.attach(link, acknowledge.resumed.received);
  }

  close(): void {
    this.session.close(1000, "");
  }
}

async function registerV1(
  port: number,
  message: object,
): Promise<{ link: WebSocketLink; acknowledge: AcknowledgeMessage }> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`, { perMessageDeflate: false });
  const [[response]] = await Promise.all([once(ws, "upgrade"), once(ws, "open")]);
  const link = new WebSocketLink(ws, (response as { socket: Socket }).socket);
  return new Promise((resolve, reject) => {
    link.handler = {
      onMessage: (text) => {
        link.handler = undefined;
        resolve({ link, acknowledge: JSON.parse(String(text)) as AcknowledgeMessage });
      },
      onClose: (code, reason) =>
        reject(Object.assign(new Error(`closed ${code} ${reason}`), { code, reason })),
    };
    link.send(JSON.stringify({ protocol: [1], ...message }));
  });
}

/** A visitor who speaks HTTP by hand, so that a test sees every byte. */
export class RawVisitor {
  readonly socket: Socket;
  received = "";
  readonly closed: Promise<void>;
  #wake: (() => void) | undefined;

  constructor(port: number, options: { allowHalfOpen?: boolean } = {}) {
    this.socket = connect({ port, host: "127.0.0.1", ...options });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.received += text;
      this.#wake?.();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on("close", () => {
        resolve();
        this.#wake?.();
      });
    });
  }

  /** Sends a request to the tunnel `app` unless the head names another host. */
  request(head: string, body = ""): void {
    const host = /^host:/im.test(head) ? "" : "Host: app.localhost\r\n";
    this.socket.write(`${head.replaceAll("\n", "\r\n")}\r\n${host}\r\n${body}`, "latin1");
  }

  /** Waits until what has been received satisfies `done`, or the connection is closed. */
  async until(done: (received: string) => boolean): Promise<string> {
    while (!done(this.received) && !this.socket.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.received;
  }

  /** All that came until the relay closed the connection: the head and the body, or a part of it. */
  async all(): Promise<string> {
    await this.closed;
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Takes a visitor and the client out of HTTP, and bytes both ways. Returns what the visitor has received. */
export async function leaveHttp(visit: (request: string) => RawVisitor, client: V1Client): Promise<string> {
  const visitor = visit("GET / HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket");
  const exchange = await client.accept();
  exchange.stream.sendHead({ status: 101, headers: ["Connection", "Upgrade", "Upgrade", "websocket"] });
  await visitor.until((received) => received.endsWith("\r\n\r\n"));
  visitor.socket.write("up");
  await exchange.bytes(2);
  exchange.stream.write(Buffer.from("down"));
  return await visitor.until((received) => received.endsWith("down"));
}
