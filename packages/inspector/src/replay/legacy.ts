import type { RequestEvent } from "mcp-tunnel-client";
import { FieldNames, headerValue } from "mcp-tunnel-protocol";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import type { Initialize } from "../mcp/view.js";
import type { RpcMessage } from "../rpc.js";
import { version } from "../version.js";
import { AnswerMessages } from "./answer-messages.js";
import { withField } from "./outgoing.js";
import type { Outgoing } from "./outgoing.js";
import type { AnswerReader, Sending } from "./sending.js";

/** Sends a request. Undefined: nothing is sent any more, because the user has cancelled the replay. */
export type Send = (request: Outgoing, reader?: AnswerReader) => Sending | undefined;

/** How long a server may take to begin a session. Some are downloaded first. */
const initializeTimeoutMs = 60_000;
/** How long it may take to answer a notification, or the end of a session. */
const smallTimeoutMs = 10_000;
/** Requests of the server in one session that are answered. The ring has better things to keep. */
const maxAnswers = 20;

/** The version before `MCP-Protocol-Version` was a header field. Servers offer another one if they want. */
const oldVersion = "2025-03-26";

/** Fields of a captured request that say nothing of the other requests of its session. */
const ownFields = new FieldNames([
  ...["accept", "accept-encoding", "content-encoding", "content-length", "content-type", "expect", "trailer"],
  ...["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"],
  ...["last-event-id", "mcp-protocol-version", "mcp-session-id"],
]);

/** A session that has begun. */
interface Begun {
  /** Undefined: the server keeps no sessions. */
  readonly id: string | undefined;
  readonly protocolVersion: string;
}

/**
 * A session of MCP in the revisions up to 2025-11-25, opened to send one request again: the session of the
 * captured request is the visitor's, and may be gone.
 */
export class LegacySession {
  readonly #send: Send;
  readonly #request: Outgoing;
  #begun: Begun | undefined;
  #answers = 0;

  /** `request`: the one that is sent again. Fields such as Authorization are taken from it. */
  constructor(send: Send, request: Outgoing) {
    this.#send = send;
    this.#request = request;
  }

  /** Begins the session. The result is the reason why there is none, if there is none. */
  async begin(initialize: Initialize | undefined): Promise<string | undefined> {
    const params = initialize?.params ?? this.#ownParams();
    // The id of the request that follows is another one, whatever it is.
    const answer = await this.#ask({
      jsonrpc: "2.0",
      id: "inspector-initialize",
      method: "initialize",
      params,
    });
    if (typeof answer === "string") return answer;
    this.#begun = answer;
    await this.#post({ jsonrpc: "2.0", method: "notifications/initialized" });
    return undefined;
  }

  /** The request as it has to be in this session. */
  get request(): Outgoing {
    const { head } = this.#request;
    const { id, protocolVersion } = this.#begun as Begun;
    let headers = withField(head.headers, "Mcp-Session-Id", id);
    // It names an event of the visitor's session.
    headers = withField(headers, "Last-Event-ID", undefined);
    if (headerValue(headers, "mcp-protocol-version") !== undefined)
      headers = withField(headers, "MCP-Protocol-Version", protocolVersion);
    return { ...this.#request, head: { ...head, headers } };
  }

  /** Answers what the server asks while it is at work on the request, so that it does not wait for ever. */
  get reader(): AnswerReader {
    return new AnswerMessages((message) => {
      if (message.kind === "request") this.#answer(message);
    });
  }

  /** Takes over the session that the request itself begins: an `initialize` that is sent again. */
  get beginning(): AnswerReader {
    return {
      onHead: ({ headers }) => {
        const id = headerValue(headers, "mcp-session-id");
        if (id !== undefined) this.#begun = { id, protocolVersion: oldVersion };
      },
      onData() {},
    };
  }

  async end(): Promise<void> {
    if (this.#begun?.id === undefined || this.#request.head.method === "DELETE") return;
    const head = { ...this.#request.head, method: "DELETE", headers: this.#headers() };
    const sending = this.#send({ head, body: Buffer.alloc(0), trailers: [] });
    if (sending !== undefined) await overWithin(sending, smallTimeoutMs);
  }

  #answer({ id, method }: RpcMessage): void {
    this.#answers += 1;
    if (this.#answers > maxAnswers) return;
    const answer =
      method === "ping"
        ? { result: {} }
        : { error: { code: -32_601, message: "this is a replay: the inspector cannot answer" } };
    void this.#post({ jsonrpc: "2.0", id, ...answer });
  }

  /** What the inspector says of itself if the visitor's `initialize` is not known. */
  #ownParams(): Readonly<Record<string, unknown>> {
    const protocolVersion = headerValue(this.#request.head.headers, "mcp-protocol-version") ?? oldVersion;
    return { protocolVersion, capabilities: {}, clientInfo: { name: "mcp-tunnel-inspector", version } };
  }

  async #ask(message: object): Promise<Begun | string> {
    let result: RpcMessage | undefined;
    let onAnswered = (): void => {};
    const answered = new Promise<undefined>((resolve) => {
      onAnswered = () => resolve(undefined);
    });
    const reader = new AnswerMessages((read) => {
      if (read.kind !== "result" && read.kind !== "error") return;
      result ??= read;
      onAnswered();
    });
    const sending = this.#send(this.#postOf(message), reader);
    if (sending === undefined) return "the replay was cancelled";
    const over = overWithin(sending, initializeTimeoutMs).then((event) => {
      reader.end();
      return event;
    });
    // Some servers leave the stream of an answer open.
    const event = await Promise.race([answered, over]);
    if (event === undefined) sending.cut("cancelled", "the answer is there");
    return readBegun(reader, result, event);
  }

  async #post(message: object): Promise<void> {
    const sending = this.#send(this.#postOf(message));
    if (sending !== undefined) await overWithin(sending, smallTimeoutMs);
  }

  #postOf(message: object): Outgoing {
    const body = Buffer.from(JSON.stringify(message));
    const headers = [
      ...this.#headers(),
      ...["Content-Type", "application/json", "Accept", "application/json, text/event-stream"],
      ...["Content-Length", String(body.length)],
    ];
    return { head: { ...this.#request.head, method: "POST", headers }, body, trailers: [] };
  }

  #headers(): RawHeaders {
    const { headers } = this.#request.head;
    const kept: RawHeaders = [];
    for (let i = 0; i < headers.length; i += 2) {
      if (!ownFields.has(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string);
    }
    if (this.#begun === undefined) return kept;
    const { id, protocolVersion } = this.#begun;
    if (id !== undefined) kept.push("Mcp-Session-Id", id);
    return [...kept, "MCP-Protocol-Version", protocolVersion];
  }
}

/** What an answer to `initialize` says, or in words that it says nothing of use. */
function readBegun(
  { head }: AnswerMessages,
  message: RpcMessage | undefined,
  over: RequestEvent | undefined,
): Begun | string {
  const failed = "a session of its own could not be begun: initialize";
  if (over?.error !== undefined) return `${failed} ended with ${over.error.code}: ${over.error.message}`;
  if (message?.error !== undefined) {
    return `${failed} was answered with an error: ${printable(message.error.message.slice(0, 200))}`;
  }
  if (head === undefined || head.status < 200 || head.status > 299)
    return `${failed} was answered with status ${head?.status ?? "none"}`;
  if (message?.result === undefined) return `${failed} was answered without a result`;
  const given = message.result["protocolVersion"];
  const id = headerValue(head.headers, "mcp-session-id");
  return { id, protocolVersion: typeof given === "string" && isVersion.test(given) ? given : oldVersion };
}

/** Text that a header field can have. */
const isVersion = /^[\x21-\x7e]{1,64}$/;

/** The report of an exchange, which is cut if it is not over in time. */
async function overWithin(sending: Sending, timeoutMs: number): Promise<RequestEvent> {
  const timer = setTimeout(
    () => sending.cut("upstream_timeout", `no answer within ${timeoutMs / 1_000} s`),
    timeoutMs,
  );
  try {
    return await sending.over;
  } finally {
    clearTimeout(timer);
  }
}
