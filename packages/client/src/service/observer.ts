import type { RawHeaders, RequestHead, ResetCode, ResponseHead } from "mcp-tunnel-protocol";
import { runAside, throwAside } from "../aside.js";
import type { ServedTunnel } from "./service.js";

/** The report of an exchange that is over. The event `request` has more: see `RequestEndEvent`. */
export interface RequestEvent {
  /** The method comes from the relay, as the rest does: escape control characters before you print it. */
  readonly method: string;
  /** The request target, with its query. */
  readonly path: string;
  /**
   * The status that the visitor got, as far as this end knows. Undefined if the exchange ended before a
   * status.
   */
  readonly status: number | undefined;
  /** From the request's head to the end of the exchange, in milliseconds. */
  readonly durationMs: number;
  /** Bytes of the request's body. */
  readonly requestBytes: number;
  /** Bytes of the answer's body. */
  readonly responseBytes: number;
  /** Why the exchange did not end well. `cancelled`: the visitor went away. */
  readonly error: { readonly code: ResetCode; readonly message: string } | undefined;
}

/** An exchange that begins. Nothing of it may be changed. */
export interface ExchangeStart {
  /** Counts the exchanges of a client from 1. */
  readonly id: number;
  /** The request as the relay sent it, before anything is rewritten for the service. */
  readonly head: RequestHead;
  /** The tunnel through which it came. */
  readonly tunnel: ServedTunnel;
  /** The id of the stream that the service is given. It is unique for `tunnel`. */
  readonly streamId: number;
  /** On the clock of `performance.now()`, in milliseconds. */
  readonly startedAtMs: number;
}

/** Called for each exchange as it begins. Undefined means that this exchange is of no interest. */
export type ObserveExchange = (exchange: ExchangeStart) => ExchangeObserver | undefined;

/**
 * An observer is told of heads and bytes as they pass, as the visitor sent them and gets them. They are on
 * their way: an observer may not change them, and has to copy bytes that it wants to keep. An observer cannot
 * hold anything up. Anything that it throws becomes an uncaught exception that the exchange does not notice.
 */
export interface ExchangeObserver {
  /** Bytes of the request's body, or of the visitor once the connection is upgraded. */
  onRequestData?(chunk: Buffer): void;
  /** The request is complete. Trailers are mostly empty. */
  onRequestEnd?(trailers: RawHeaders): void;
  /** An interim head (1xx). */
  onInterim?(head: ResponseHead): void;
  /** The final head. `end` says that no body follows (`onEnd` is called all the same). */
  onHead?(head: ResponseHead, end: boolean): void;
  /** Bytes of the answer's body, or of the service once the connection is upgraded. */
  onData?(chunk: Buffer): void;
  /** The answer is complete. Trailers are mostly empty. */
  onEnd?(trailers: RawHeaders): void;
  /** The last call. */
  onOver?(event: RequestEvent): void;
}

/** Wraps an observer, so that it can break nothing. */
export class GuardedObserver implements Required<ExchangeObserver> {
  readonly #observer: ExchangeObserver;

  constructor(observer: ExchangeObserver) {
    this.#observer = observer;
  }

  onRequestData(chunk: Buffer): void {
    runAside(() => this.#observer.onRequestData?.(chunk));
  }

  onRequestEnd(trailers: RawHeaders): void {
    runAside(() => this.#observer.onRequestEnd?.(trailers));
  }

  onInterim(head: ResponseHead): void {
    runAside(() => this.#observer.onInterim?.(head));
  }

  onHead(head: ResponseHead, end: boolean): void {
    runAside(() => this.#observer.onHead?.(head, end));
  }

  onData(chunk: Buffer): void {
    runAside(() => this.#observer.onData?.(chunk));
  }

  onEnd(trailers: RawHeaders): void {
    runAside(() => this.#observer.onEnd?.(trailers));
  }

  onOver(event: RequestEvent): void {
    // V8 does without the functions above, but an observer has too much to do here: this one would be made
    // for each request.
    try {
      this.#observer.onOver?.(event);
    } catch (error) {
      throwAside(error);
    }
  }
}
