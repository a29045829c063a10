import { EventEmitter, once } from "node:events";
import { WebSocket } from "ws";

// A client that says exactly what the original client library says, message by message, written from the
// description of its wire and sharing no code with this project's packages.

/** A request as it stands in the relay's message. */
export interface OriginalRequest {
  kind?: string;
  id: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | null;
}

/** What the client may say about a request. 0.1 knows `whole` only. */
export interface OriginalReply {
  readonly request: OriginalRequest;
  /** The body, decoded. */
  readonly body: Buffer;
  /** 0.1: the whole response. */
  whole(status: number, headers?: Record<string, string>, body?: string | Buffer): void;
  /** 0.2 */
  head(status: number, headers?: Record<string, string>): void;
  chunk(data: string | Buffer, last?: boolean): void;
  error(message: string): void;
  /** The version's ordinary way of answering with a body. */
  answer(status: number, headers?: Record<string, string>, body?: string | Buffer): void;
}

export interface OriginalClientOptions {
  version: "0.1" | "0.2";
  /** Port of the relay on loopback. */
  relayPort: number;
  token: string;
  /** Default: `null` in the message. */
  subdomain?: string;
  /** Answers an offer; default: the first name. */
  pick?: (subdomains: string[]) => string;
  /** Answers a request; default: 200 with the method and path. */
  onRequest?: (reply: OriginalReply) => void;
}

export interface OriginalClient {
  /** From the relay's acknowledgement. */
  readonly url: string;
  readonly subdomain: string;
  /** Every message of the relay, as it came. */
  readonly received: readonly unknown[];
  /** Ids of requests that the relay cancelled (0.2). */
  readonly cancelled: readonly string[];
  /** Resolves with the id of the next cancelled request. */
  nextCancel(): Promise<string>;
  /** Sends text as it is. */
  say(text: string): void;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Drops the connection without a goodbye, as the original does when its process ends. */
  close(): Promise<void>;
}

/** Thrown when the relay closes the connection instead of acknowledging. */
export class OriginalClientRefused extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string) {
    super(`closed with ${code} ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

/** Connects and registers. @throws OriginalClientRefused */
export async function startOriginalClient(options: OriginalClientOptions): Promise<OriginalClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${options.relayPort}/_tunnel/register`, {
    perMessageDeflate: false,
  });
  const events = new EventEmitter<{ acknowledged: []; cancel: [string] }>();
  const received: unknown[] = [];
  const cancelled: string[] = [];
  let acknowledgement: { subdomain: string; url: string } | undefined;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  const say = (text: string): void => socket.send(text);

  socket.on("message", (data, isBinary) => {
    // The original skips binary messages; a relay that sends one to it has a fault that a test should see.
    if (isBinary) throw new Error("the relay sent a binary message to a client that speaks JSON");
    const message = JSON.parse((data as Buffer).toString()) as Record<string, unknown>;
    received.push(message);
    if (acknowledgement !== undefined) {
      if (isRequest(message) && (options.version === "0.1" || message.kind === "request")) {
        (options.onRequest ?? answerWithTarget)(replyTo(message, options.version, say));
      } else if (options.version === "0.2" && message["kind"] === "cancel") {
        cancelled.push(message["id"] as string);
        events.emit("cancel", message["id"] as string);
      }
    } else if (typeof message["subdomain"] === "string" && typeof message["url"] === "string") {
      acknowledgement = { subdomain: message["subdomain"], url: message["url"] };
      events.emit("acknowledged");
    } else if (Array.isArray(message["subdomains"])) {
      const offered = message["subdomains"] as string[];
      say(JSON.stringify({ subdomain: (options.pick ?? firstOf)(offered) }));
    }
  });

  await once(socket, "open");
  // A close follows every error.
  socket.on("error", () => {});
  say(JSON.stringify({ token: options.token, subdomain: options.subdomain ?? null }));
  const refusal = await Promise.race([once(events, "acknowledged"), closed]);
  if (acknowledgement === undefined) {
    const { code, reason } = refusal as { code: number; reason: string };
    throw new OriginalClientRefused(code, reason);
  }
  return {
    ...acknowledgement,
    received,
    cancelled,
    nextCancel: async () => (await once(events, "cancel"))[0] as string,
    say,
    closed,
    async close() {
      socket.terminate();
      await closed;
    },
  };
}

const firstOf = (subdomains: string[]): string => subdomains[0] ?? "";

const answerWithTarget = (reply: OriginalReply): void =>
  reply.answer(200, { "content-type": "text/plain" }, `${reply.request.method} ${reply.request.path}`);

/** What the original's deserialiser demands of a request: fields of the right types, unknown ones ignored. */
function isRequest(message: object): message is OriginalRequest {
  const { id, method, path, headers, body } = message as Record<string, unknown>;
  return (
    typeof id === "string" &&
    typeof method === "string" &&
    typeof path === "string" &&
    typeof headers === "object" &&
    headers !== null &&
    Object.values(headers).every((value) => typeof value === "string") &&
    (body === undefined || body === null || typeof body === "string")
  );
}

const base64 = (data: string | Buffer): string => Buffer.from(data as string).toString("base64");

function replyTo(request: OriginalRequest, version: string, say: (text: string) => void): OriginalReply {
  const { id } = request;
  const reply: OriginalReply = {
    request,
    body: Buffer.from(request.body ?? "", "base64"),
    whole: (status, headers = {}, body = "") =>
      say(JSON.stringify({ id, status, headers, body: body.length === 0 ? null : base64(body) })),
    head: (status, headers = {}) => say(JSON.stringify({ kind: "response_head", id, status, headers })),
    chunk: (data, last = false) =>
      say(JSON.stringify({ kind: "response_chunk", id, data: base64(data), last })),
    error: (message) => say(JSON.stringify({ kind: "response_error", id, message })),
    answer(status, headers, body = "") {
      if (version === "0.1") {
        reply.whole(status, headers, body);
        return;
      }
      reply.head(status, headers);
      for (let at = 0; at < body.length; at += 65_536) reply.chunk(body.slice(at, at + 65_536));
      reply.chunk("", true);
    },
  };
  return reply;
}
