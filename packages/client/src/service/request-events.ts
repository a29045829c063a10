import { headerValue, visitorField } from "mcp-tunnel-protocol";
import type { Exchange } from "./exchange.js";
import type { RequestEvent } from "./observer.js";

/**
 * A request that begins. All of it but `id` is strangers' text: escape control characters before you print
 * it. Nothing of it may be changed.
 */
export interface RequestStartEvent {
  /** Counts the requests of a client from 1. */
  readonly id: number;
  /**
   * The request's `X-Request-Id`, as the local service gets it. The relay draws it, and its log and its
   * answers have it, unless the visitor has given one. Undefined with an original relay that has none.
   */
  readonly requestId: string | undefined;
  /**
   * The visitor's address, as far as the relay believes it. Undefined with an original relay, which does not
   * say which address it believes.
   */
  readonly visitorAddress: string | undefined;
  /** The method. It comes from the relay, as the rest does. */
  readonly method: string;
  /** The request target, with its query. */
  readonly path: string;
  /**
   * The fields as the relay sent them, name and value by turns. They hold secrets of visitors. So this member
   * is a getter of the event's class: whoever writes out the whole event, as text or JSON, does not write
   * them.
   */
  readonly headers: readonly string[];
}

/** A request that is over, with the members of its {@link RequestStartEvent}. */
export interface RequestEndEvent extends RequestStartEvent, RequestEvent {}

const visitorName = visitorField.toLowerCase();

/** What is told of a request as it begins. */
export class RequestStart implements RequestStartEvent {
  readonly id: number;
  readonly requestId: string | undefined;
  readonly visitorAddress: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly #headers: readonly string[];

  constructor({ number, head, tunnel }: Exchange) {
    const { method, path, headers } = head;
    this.id = number;
    this.requestId = headerValue(headers, "x-request-id");
    this.visitorAddress = tunnel.isVisitorOwn ? headerValue(headers, visitorName) : undefined;
    this.method = method;
    this.path = path;
    this.#headers = headers;
  }

  get headers(): readonly string[] {
    return this.#headers;
  }
}

/** What is told of a request that is over. */
export class RequestEnd extends RequestStart implements RequestEndEvent {
  readonly status: number | undefined;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly error: RequestEvent["error"];

  constructor(exchange: Exchange) {
    super(exchange);
    const { status, durationMs, requestBytes, responseBytes, error } = exchange.report();
    this.status = status;
    this.durationMs = durationMs;
    this.requestBytes = requestBytes;
    this.responseBytes = responseBytes;
    this.error = error;
  }
}
