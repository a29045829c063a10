import { EventEmitter, once } from "node:events";
import { WebSocket } from "ws";

// A client that sends exactly the messages of the original client library. It was written from the
// description of the wire and shares no code with this project's packages.

/** A request as the relay's message has it. */
export interface OriginalRequest {
  kind?: string;
  id: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | null;
}

/** The replies that a client has for a request. 0.1 knows `whole` only. */
export interface OriginalReply {
  readonly request: OriginalRequest;
  /** The body, decoded. */
  readonly body: Buffer;
  /** The whole response (0.1). */
  whole(status: number, headers?: Record<string, string>, body?: string | Buffer): void;
  /** The head of a response (0.2). */
  head(status: number, headers?: Record<string, string>): void;
  chunk(data: string | Buffer, last?: boolean): void;
  error(message: string): void;
  /** Answers with a body in the usual way of the version. */
  answer(status: number, headers?: Record<string, string>, body?: string | Buffer): void;
}

export interface OriginalClientOptions {
  version: "0.1" | "0.2";
  /** Port of the relay on loopback. */
  relayPort: number;
  token: string;
  /** Default: the message has `null`. */
  subdomain?: string;
  /** Chooses a name of an offer. Default: the first. */
  pick?: (subdomains: string[]) => string;
  /** Answers a request. Default: 200 with the method and path. */
  onRequest?: (reply: OriginalReply) => void;
}

export interface OriginalClient {
  /** The public URL in the relay's acknowledgement. */
  readonly url: string;
  readonly subdomain: string;
  /** Every message of the relay, unchanged. */
  readonly received: readonly unknown[];
  /** Ids of requests that the relay cancelled (0.2). */
  readonly cancelled: readonly string[];
  /** Resolves with the id of the next cancelled request. */
  nextCancel(): Promise<string>;
  /** Sends this text unchanged. */
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
    // The original skips binary messages. A relay that sends it one has a fault, and a test should see that.
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
  // Every error is followed by a close.
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

/**
 * The demands of the original's deserialiser on a request: fields of the right types. It ignores unknown
 * fields.
 */
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
