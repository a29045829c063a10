import type { ExchangeObserver, ExchangeStart, ObserveExchange, RequestEvent } from "mcp-tunnel-client";
import { headerValue, isEventStreamType, mayBeJsonRpc } from "mcp-tunnel-protocol";
import type { RawHeaders, ResponseHead } from "mcp-tunnel-protocol";
import { EventSplitter } from "../sse/splitter.js";
import type { SplitEvent } from "../sse/splitter.js";
import { Asked } from "./asked.js";
import { HeldBytes, maxReadBytes, ShortBody } from "./held-bytes.js";
import { LineHider } from "./line-hider.js";
import type { LineEvents, LineKind } from "./line.js";
import { readError, readFields, readRequest, readServerRequests } from "./rpc-line.js";
import type { LineError, LineMcp } from "./rpc-line.js";

/**
 * How long the answer to a POST may stream before it is told as open, in milliseconds. Many MCP servers
 * answer each call with a short event stream, and two lines for each of them would be noise.
 */
const quietStreamMs = 5_000;

/** What all exchanges have in common. */
class Reader {
  readonly events: LineEvents;
  readonly hider = new LineHider();
  readonly memory = new HeldBytes();
  readonly asked = new Asked();

  constructor(events: LineEvents) {
    this.events = events;
  }
}

/**
 * An observer that tells of each exchange what a line has room for. It reads bodies of JSON-RPC requests, and
 * of their answers what is needed to see an error: up to 64 KiB each, and 4 MiB of all together.
 */
export function observeLines(events: LineEvents): ObserveExchange {
  const reader = new Reader(events);
  return (start) => new LineObserver(reader, start);
}

class LineObserver implements ExchangeObserver {
  readonly #reader: Reader;
  readonly #start: ExchangeStart;
  readonly #startedAt = Date.now();
  /** Undefined: the request is no JSON-RPC, or it is complete. */
  #request: ShortBody | undefined;
  /** Undefined: no answer that is read. */
  #answer: ShortBody | undefined;
  #splitter: EventSplitter | undefined;
  #events = 0;
  #kind: LineKind = "http";
  #mcp: LineMcp | undefined;
  #error: LineError | undefined;
  #wasOpen = false;
  #opening: NodeJS.Timeout | undefined;

  constructor(reader: Reader, start: ExchangeStart) {
    this.#reader = reader;
    this.#start = start;
    if (mayBeJsonRpc(start.head.method, start.head.headers)) this.#request = new ShortBody(reader.memory);
  }

  onRequestData(chunk: Buffer): void {
    this.#request?.add(chunk);
  }

  onRequestEnd(): void {
    if (this.#request === undefined) return;
    const { headers } = this.#start.head;
    const { hider, asked } = this.#reader;
    const text = this.#request.read();
    this.#request = undefined;
    this.#mcp =
      text === undefined
        ? readFields(headers, hider)
        : readRequest(text, hider, (id) => asked.take(headers, id));
  }

  onHead({ status, headers }: ResponseHead, end: boolean): void {
    if (status === 101) {
      const isWebSocket = headerValue(headers, "upgrade")?.toLowerCase() === "websocket";
      this.#kind = isWebSocket ? "websocket" : "upgrade";
      this.#open(status);
      return;
    }
    if (end) return;
    const type = headerValue(headers, "content-type") ?? "";
    if (isEventStreamType(type)) {
      this.#kind = "stream";
      if (!isCompressed(headers)) {
        this.#splitter = new EventSplitter((event) => this.#onEvent(event), maxReadBytes);
      }
      this.#openSoon(status);
    } else if (this.#mcp !== undefined && /^application\/json\b/i.test(type) && !isCompressed(headers)) {
      this.#answer = new ShortBody(this.#reader.memory);
    }
  }

  onData(chunk: Buffer): void {
    this.#answer?.add(chunk);
    this.#splitter?.push(chunk);
  }

  onEnd(): void {
    const text = this.#answer?.read();
    if (text !== undefined) this.#error = readError(text, this.#reader.hider);
  }

  onOver(event: RequestEvent): void {
    clearTimeout(this.#opening);
    this.#request?.drop();
    this.#answer?.drop();
    const { id, head } = this.#start;
    // Written out: to spread one object into another takes longer than all the rest.
    this.#reader.events.over({
      id,
      kind: this.#kind,
      startedAt: this.#startedAt,
      method: head.method,
      path: this.#reader.hider.target(head.path),
      mcp: this.#mcpWithError(),
      status: event.status,
      durationMs: event.durationMs,
      requestBytes: event.requestBytes,
      responseBytes: event.responseBytes,
      error: event.error,
      wasOpen: this.#wasOpen,
      events: this.#splitter === undefined ? undefined : this.#events,
      headers: head.headers,
    });
  }

  #onEvent({ data, isComment, isCut }: SplitEvent): void {
    if (isComment) return;
    this.#events += 1;
    if (isCut) return;
    const { hider, asked } = this.#reader;
    if (this.#mcp !== undefined) this.#error ??= readError(data, hider);
    for (const message of readServerRequests(data)) asked.add(this.#start.head.headers, message);
  }

  /** An event stream has begun. */
  #openSoon(status: number): void {
    if (this.#start.head.method !== "POST" || this.#mcp?.method === "subscriptions/listen") {
      this.#open(status);
      return;
    }
    this.#opening = setTimeout(() => this.#open(status), quietStreamMs);
    this.#opening.unref();
  }

  #open(status: number): void {
    if (this.#kind === "http") return;
    this.#wasOpen = true;
    const { id, head } = this.#start;
    const about = { id, kind: this.#kind, startedAt: this.#startedAt, method: head.method };
    this.#reader.events.opened({
      ...about,
      path: this.#reader.hider.target(head.path),
      mcp: this.#mcpWithError(),
      status,
    });
  }

  #mcpWithError(): LineMcp | undefined {
    return this.#error === undefined || this.#mcp === undefined
      ? this.#mcp
      : { ...this.#mcp, error: this.#error };
  }
}

function isCompressed(headers: RawHeaders): boolean {
  const coding = headerValue(headers, "content-encoding")?.toLowerCase() ?? "identity";
  return coding !== "identity" && coding !== "";
}
