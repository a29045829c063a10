import { formatDuration, isObject } from "mcp-tunnel-shared";
import { namesEventStream } from "../http/accept.js";
import { invalidRequest, jsonAnswer, unavailable } from "../http/answers.js";
import { EventStream, eventStreamHeaders } from "../http/event-stream.js";
import type { Unread } from "../http/unread.js";
import {
  errorCodes,
  isRequest,
  light,
  type Message,
  type RequestId,
  type RequestMessage,
} from "../message.js";
import type { ResolvedStdioOptions } from "../options.js";
import type { OpenPipe } from "../pipe.js";
import type { Backoff } from "../child/backoff.js";
import { commandLine } from "../child/describe.js";
import { sessionIdRequired, sessionNotFound } from "./refusals.js";
import { Session } from "./session.js";

/** How long a session has to be unused before it may be ended for a new one, in milliseconds. */
const evictableMs = 60_000;
/**
 * The same for a session of which nothing was heard since it began. A client sends a notification at once
 * (`notifications/initialized`), but one that has left before it got the answer knows of no session.
 */
const unheardMs = 5_000;

/** After how long a visitor may try again when all sessions are in use, in milliseconds. */
const fullRetryMs = 10_000;

/** The sessions of revisions up to 2025-11-25, each with a server of its own. */
export class Sessions {
  readonly #options: ResolvedStdioOptions;
  readonly #open: OpenPipe;
  readonly #backoff: Pick<Backoff, "waitMs" | "failed" | "succeeded">;
  readonly #unread: Unread;
  readonly #sessions = new Map<string, Session>();
  /** Servers of ended sessions that are not gone yet. */
  readonly #leaving = new Set<Promise<void>>();
  /** Whether the person knows that all sessions are in use. */
  #hasToldOfFull = false;
  #isClosed = false;

  constructor(
    options: ResolvedStdioOptions,
    open: OpenPipe,
    backoff: Pick<Backoff, "waitMs" | "failed" | "succeeded">,
    unread: Unread,
  ) {
    this.#options = options;
    this.#open = open;
    this.#backoff = backoff;
    this.#unread = unread;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** `isBatch`: the messages came as an array. */
  async post(request: Request, messages: readonly Message[], isBatch: boolean): Promise<Response> {
    const initialize = messages.find(isInitialize);
    if (initialize === undefined) {
      const session = this.#find(request, firstId(messages));
      return session instanceof Session ? session.post(request, messages.map(light), isBatch) : session;
    }
    if (isBatch) return invalidRequest("Only one initialization request is allowed", null);
    if (this.#sessions.has(request.headers.get("Mcp-Session-Id") ?? "")) {
      return invalidRequest("Server already initialized", initialize.value.id);
    }
    return this.#initialize(request, light(initialize));
  }

  async get(request: Request): Promise<Response> {
    const session = this.#find(request);
    return session instanceof Session ? session.get(request) : session;
  }

  /** Resolves once the session's server is being ended. */
  async delete(request: Request): Promise<Response> {
    const session = this.#find(request);
    if (!(session instanceof Session)) return session;
    void session.end();
    return new Response(null, { status: 200 });
  }

  /** Ends the streams on which nobody waits for an answer. */
  drain(): void {
    for (const session of this.#sessions.values()) session.drain();
  }

  /** Ends all sessions. Resolves when their servers are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const session of this.#sessions.values()) void session.end();
    await Promise.all(this.#leaving);
  }

  #find(request: Request, id: RequestId | null = null): Session | Response {
    const sessionId = request.headers.get("Mcp-Session-Id");
    if (sessionId === null) return sessionIdRequired(id);
    const session = this.#sessions.get(sessionId);
    if (session?.isOpen !== true) return sessionNotFound(id);
    return session.refusalOf(request, id) ?? session;
  }

  async #initialize(request: Request, message: RequestMessage): Promise<Response> {
    const { id } = message.value;
    if (this.#isClosed) return unavailable("The MCP server is closed", fullRetryMs, id);
    const { waitMs } = this.#backoff;
    if (waitMs > 0) return unavailable("The MCP server could not be started", waitMs, id);
    if (request.signal.aborted) return unavailable("The client has left", fullRetryMs, id);
    if (!this.#makeRoom()) {
      this.#tellOfFull();
      return unavailable("All sessions are in use", fullRetryMs, id);
    }
    this.#hasToldOfFull = false;
    const session = new Session(
      this.#options,
      this.#open,
      this.#unread,
      {
        onEnded: ({ id: ended }, gone) => {
          this.#sessions.delete(ended);
          this.#leaving.add(gone);
          void gone.then(() => this.#leaving.delete(gone));
        },
      },
      message,
      request.signal,
    );
    this.#sessions.set(session.id, session);
    const outcome = await session.started;
    switch (outcome.type) {
      case "answered":
        this.#backoff.succeeded();
        return this.#answer(request, session, id, outcome.answer);
      case "server ended":
        this.#backoff.failed();
        return unavailable("The MCP server could not be started", this.#backoff.waitMs, id);
      case "timed out":
        this.#backoff.failed();
        this.#options.onEvent({ type: "notice", message: timeoutNotice(this.#options) });
        return unavailable("The MCP server has not answered in time", this.#backoff.waitMs, id);
      case "visitor left":
      case "closed":
        return unavailable("The MCP server is closed", fullRetryMs, id);
    }
  }

  /** A server that refuses `initialize` has no session: the visitor learns why, and may try another way. */
  #answer(request: Request, session: Session, id: RequestId, answer: Message): Response {
    const error = answer.value["error"];
    if (isObject(error)) void session.end();
    if (isObject(error) && error["code"] === errorCodes.unsupportedVersion) {
      return jsonAnswer(this.#unread, id, answer.text, 400);
    }
    const headers = isObject(error) ? {} : session.headers;
    if (!namesEventStream(request)) return jsonAnswer(this.#unread, id, answer.text, 200, headers);
    const owner = { onTaken: () => {}, onGone: () => {}, onStalled: () => {} };
    const stream = new EventStream(owner, this.#options.keepAliveMs, this.#unread);
    stream.answer(id, answer.text);
    return new Response(stream.body, { headers: { ...eventStreamHeaders, ...headers } });
  }

  #tellOfFull(): void {
    if (this.#hasToldOfFull) return;
    this.#hasToldOfFull = true;
    this.#options.onEvent({ type: "notice", message: fullNotice(this.#options) });
  }

  /** Whether there may be one session more. The one that was not used for the longest time may end for it. */
  #makeRoom(): boolean {
    const { maxSessions } = this.#options;
    // Servers that are slow to end are processes too. Sessions that come and go must not heap them up.
    if (this.#sessions.size + this.#leaving.size >= 2 * maxSessions) return false;
    if (this.#sessions.size < maxSessions) return true;
    const [longest] = [...this.#sessions.values()]
      .filter(({ isHeardOf, idleMs }) => idleMs >= (isHeardOf ? evictableMs : unheardMs))
      .sort((one, other) => other.idleMs - one.idleMs);
    void longest?.end();
    return longest !== undefined;
  }
}

function timeoutNotice(options: ResolvedStdioOptions): string {
  return (
    `${commandLine(options)} has not answered initialize within ${formatDuration(options.startTimeoutMs)}, ` +
    "and was ended. It is no MCP server on stdio, or it has much to download or to load: " +
    "run it once by itself, or allow it more time (startTimeoutMs)"
  );
}

function fullNotice({ maxSessions }: ResolvedStdioOptions): string {
  return (
    `All sessions are in use (maxSessions: ${maxSessions}). A new client gets 503 until one of them ends, ` +
    `or was unused for ${formatDuration(evictableMs)}`
  );
}

function isInitialize(message: Message): message is RequestMessage {
  return isRequest(message) && message.value.method === "initialize";
}

/** The id for an error that answers all messages of a POST: that of the only request. */
function firstId(messages: readonly Message[]): RequestId | null {
  const [message] = messages;
  return messages.length === 1 && message !== undefined && isRequest(message) ? message.value.id : null;
}
