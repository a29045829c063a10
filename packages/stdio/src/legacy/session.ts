import { randomUUID } from "node:crypto";
import { formatBytes, isObject } from "mcp-tunnel-shared";
import { allowsEventStream, namesEventStream } from "../http/accept.js";
import { invalidRequest } from "../http/answers.js";
import { eventStreamHeaders } from "../http/event-stream.js";
import type { Unread } from "../http/unread.js";
import {
  cancelledOf,
  errorCodes,
  isRequest,
  isResponse,
  type Message,
  type RequestId,
  type RequestMessage,
} from "../message.js";
import type { ResolvedStdioOptions } from "../options.js";
import type { OpenPipe, Pipe } from "../pipe.js";
import { FirstAnswer, type FirstOutcome } from "./first-answer.js";
import { Outlet } from "./outlet.js";
import { PendingRequests } from "./pending-requests.js";
import { GatheredReply, StreamedReply, type Reply } from "./reply.js";
import { eventsNotKept, notAcceptable, secondStream, sessionNotFound, tooMuchPending } from "./refusals.js";
import type { ResumableStream } from "./resumable-stream.js";
import { legacyRevisions, primingSince, unsupportedRevision } from "./revisions.js";
import { ServerMessages } from "./server-messages.js";
import { SessionStreams } from "./streams.js";

/**
 * Requests that the server of a session may work on at the same time, and POSTs that may wait for it to read.
 */
const maxPending = 1_000;

type State =
  | { readonly type: "starting"; readonly first: FirstAnswer }
  /** `revision`: what the server has answered. */
  | { readonly type: "open"; readonly revision: string }
  /** `gone` resolves when the server has ended, too. */
  | { readonly type: "ended"; readonly gone: Promise<void> };

export interface SessionOwner {
  /** The session has ended. `gone` resolves when its server has, too. */
  onEnded(session: Session, gone: Promise<void>): void;
}

/** A session: one visitor, and a server of its own. */
export class Session {
  readonly id: string = randomUUID();
  /** What became of the first request. After anything but an answer the session has ended. */
  readonly started: Promise<FirstOutcome>;
  readonly #options: ResolvedStdioOptions;
  readonly #unread: Unread;
  readonly #owner: SessionOwner;
  readonly #pipe: Pipe;
  readonly #outlet: Outlet;
  readonly #pending = new PendingRequests(() => this.#rest());
  readonly #streams: SessionStreams;
  readonly #get: ResumableStream;
  readonly #serverMessages: ServerMessages;
  /** Streams of POSTs that more waits on than should. The server is not read meanwhile. */
  readonly #full = new Set<ResumableStream>();
  #state: State;
  #isHeardOf = false;
  #idleTimer: NodeJS.Timeout | undefined;
  /** On the clock of `performance.now()`. */
  #idleSinceMs = Number.POSITIVE_INFINITY;

  /** Starts the server and sends it the first request. `signal`: that of the visitor's HTTP request. */
  constructor(
    options: ResolvedStdioOptions,
    open: OpenPipe,
    unread: Unread,
    owner: SessionOwner,
    initialize: RequestMessage,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#unread = unread;
    this.#owner = owner;
    this.#streams = new SessionStreams(options, unread);
    this.#get = this.#streams.add({ onFull: () => {}, onTaken: () => {}, onGone: () => this.#rest() });
    this.#serverMessages = new ServerMessages(options, this.#pending, this.#get, {
      answer: (text) => this.#outlet.send(text),
      onOverflow: () => options.onEvent({ type: "notice", message: overflowNotice(options) }),
    });
    const first = new FirstAnswer(initialize.value.id, signal, options.startTimeoutMs);
    this.#state = { type: "starting", first };
    this.#pipe = open({
      onMessage: (message) => this.#onMessage(message),
      onDrain: () => this.#outlet.onDrain(),
      onEnd: () => this.#leave({ type: "server ended" }, Promise.resolve()),
    });
    this.#outlet = new Outlet(this.#pipe);
    this.#outlet.send(initialize.text);
    this.started = first.outcome.then((outcome) => {
      if (outcome.type !== "answered") void this.end();
      return outcome;
    });
  }

  get isOpen(): boolean {
    return this.#state.type === "open";
  }

  /** Whether the visitor has made a request in the session. */
  get isHeardOf(): boolean {
    return this.#isHeardOf;
  }

  /** How long nothing has used the session, in milliseconds. 0 while something does. */
  get idleMs(): number {
    return Math.max(0, performance.now() - this.#idleSinceMs);
  }

  /** The header field that names the session in its responses. */
  get headers(): Record<string, string> {
    return { "Mcp-Session-Id": this.id };
  }

  /** A refusal of a request whose `MCP-Protocol-Version` is none of the session's. */
  refusalOf(request: Request, id: RequestId | null): Response | undefined {
    const asked = request.headers.get("MCP-Protocol-Version");
    if (asked === null || legacyRevisions.includes(asked)) return undefined;
    return asked === this.#revision ? undefined : unsupportedRevision(asked, id);
  }

  async post(request: Request, messages: readonly Message[], isBatch: boolean): Promise<Response> {
    this.#isHeardOf = true;
    if (this.#outlet.waiting >= maxPending) return tooMuchPending();
    const answer = this.#outlet.turn(request.signal, () => this.#handOver(request, messages, isBatch));
    this.#rest();
    const response = await answer;
    this.#rest();
    return response ?? sessionNotFound();
  }

  get(request: Request): Response {
    this.#isHeardOf = true;
    if (!allowsEventStream(request)) return notAcceptable();
    const lastEventId = request.headers.get("Last-Event-ID");
    if (lastEventId !== null && lastEventId !== "") return this.#resume(lastEventId);
    if (this.#get.isConnected) return secondStream();
    const body = this.#get.connect(this.#isPrimed(request));
    this.#serverMessages.flush();
    this.#rest();
    return this.#streamed(body);
  }

  /** Ends the GET stream, on which nobody waits for an answer. Its visitor may come back for it. */
  drain(): void {
    if (this.#get.isConnected) this.#get.cut();
  }

  /** Ends the session and its server. Resolves when the server is gone. */
  end(): Promise<void> {
    if (this.#state.type === "ended") return this.#state.gone;
    const gone = this.#pipe.end();
    this.#leave({ type: "closed" }, gone);
    return gone;
  }

  #onMessage(message: Message): void {
    // A server that is at work for a visitor who may come back uses the session.
    if (this.#idleTimer !== undefined && this.#pending.size > 0) this.#rest();
    if (this.#state.type === "starting" && this.#state.first.isAnsweredBy(message)) {
      const { first } = this.#state;
      this.#state = { type: "open", revision: revisionOf(message) };
      this.#rest();
      first.settle({ type: "answered", answer: message });
    } else if (!isResponse(message)) this.#serverMessages.pass(message);
    else if (message.value.id !== null) this.#pending.answer(message.value.id, message.text);
  }

  /** Gives the messages of a POST to the server, in one go. */
  #handOver(request: Request, messages: readonly Message[], isBatch: boolean): Response | Promise<Response> {
    const requests = messages.filter(isRequest);
    const ids = new Set<RequestId>();
    for (const { value } of requests) {
      if (this.#pending.has(value.id) || ids.has(value.id))
        return invalidRequest("a request with this id is pending", value.id);
      ids.add(value.id);
    }
    if (this.#pending.size + requests.length > maxPending) return tooMuchPending(requests[0]?.value.id);
    if (requests.length === 0) {
      this.#send(messages);
      return new Response(null, { status: 202 });
    }
    if (!namesEventStream(request)) {
      const { signal } = request;
      const reply = new GatheredReply(this.#unread, signal, isBatch, this.headers);
      signal.addEventListener("abort", () => this.#rest(), { once: true });
      this.#ask(messages, requests, reply);
      return reply.response;
    }
    const stream = this.#streams.add({
      onFull: () => this.#onFull(stream),
      onTaken: () => this.#onTaken(stream),
      onGone: () => this.#rest(),
    });
    const body = stream.connect(this.#isPrimed(request));
    this.#ask(messages, requests, new StreamedReply(stream, this.#streams));
    return this.#streamed(body);
  }

  #ask(messages: readonly Message[], requests: readonly RequestMessage[], reply: Reply): void {
    this.#pending.add(requests, reply);
    this.#send(messages);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.#outlet.send(message.text);
      if (isResponse(message)) this.#serverMessages.onAnswer(message.value.id);
      const cancelled = cancelledOf(message);
      if (cancelled !== undefined) this.#pending.cancel(cancelled);
    }
  }

  #resume(lastEventId: string): Response {
    const resumption = this.#streams.find(lastEventId);
    if (resumption === undefined) return eventsNotKept();
    const { stream, missed } = resumption;
    // The visitor has all of the stream. WHATWG HTML section 9.2.1: 204 tells it to come back no more, where
    // an empty stream would have some clients come back for ever.
    if (stream.isFinished && missed.length === 0) return new Response(null, { status: 204 });
    const body = stream.resume(missed);
    if (stream === this.#get) this.#serverMessages.flush();
    this.#rest();
    return this.#streamed(body);
  }

  #streamed(body: ReadableStream<Uint8Array>): Response {
    return new Response(body, { headers: { ...eventStreamHeaders, ...this.headers } });
  }

  get #revision(): string {
    return this.#state.type === "open" ? this.#state.revision : "";
  }

  /** Revisions are dates, so that a later one is greater. */
  #isPrimed(request: Request): boolean {
    return (request.headers.get("MCP-Protocol-Version") ?? this.#revision) >= primingSince;
  }

  #onFull(stream: ResumableStream): void {
    if (this.#full.size === 0) this.#pipe.pause();
    this.#full.add(stream);
  }

  #onTaken(stream: ResumableStream): void {
    if (this.#full.delete(stream) && this.#full.size === 0) this.#pipe.resume();
  }

  /** Counts the time in which nothing uses the session, from now on if nothing does. */
  #rest(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    this.#idleSinceMs = Number.POSITIVE_INFINITY;
    if (this.#state.type !== "open") return;
    // A request whose visitor has left may never be answered. It keeps no session for ever.
    if (this.#pending.areWaitedFor || this.#get.isConnected || this.#outlet.waiting > 0) return;
    this.#idleSinceMs = performance.now();
    this.#idleTimer = setTimeout(() => void this.end(), this.#options.sessionIdleMs);
  }

  #leave(outcome: FirstOutcome, gone: Promise<void>): void {
    const state = this.#state;
    if (state.type === "ended") return;
    this.#state = { type: "ended", gone };
    if (state.type === "starting") state.first.settle(outcome);
    this.#rest();
    this.#outlet.end();
    this.#pending.failAll(errorCodes.internalError, "the MCP server has ended");
    this.#get.finish();
    this.#owner.onEnded(this, gone);
  }
}

function overflowNotice({ maxKeptMessages, maxKeptBytes }: ResolvedStdioOptions): string {
  return (
    "A client takes no messages from its MCP server besides answers: it has no GET stream open. " +
    `${maxKeptMessages} messages (${formatBytes(maxKeptBytes)}) are kept for each client, then the oldest ` +
    "are dropped. Requests of the server among them are answered with an error"
  );
}

/** The revision that a server has answered to `initialize`. */
function revisionOf({ value }: Message): string {
  const result = value["result"];
  const revision = isObject(result) ? result["protocolVersion"] : undefined;
  return typeof revision === "string" ? revision : "";
}
