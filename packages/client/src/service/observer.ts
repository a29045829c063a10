import type { RawHeaders, RequestHead, ResetCode, ResponseHead } from "mcp-tunnel-protocol";
import { runAside } from "../aside.js";
import type { ServedTunnel } from "./service.js";

/** What is told of an exchange once it is over. */
export interface RequestEvent {
  /** From the relay, as the rest is: escape control characters before printing it. */
  readonly method: string;
  /** The request target, with its query. */
  readonly path: string;
  /**
   * The status that the visitor got, as far as this end knows; undefined when the exchange ended before one.
   */
  readonly status: number | undefined;
  readonly durationMs: number;
  readonly requestBytes: number;
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
  readonly tunnel: ServedTunnel;
  /** On the clock of `performance.now()`, in milliseconds. */
  readonly startedAtMs: number;
}

/** Asked of each exchange as it begins; undefined: this one is of no interest. */
export type ObserveExchange = (exchange: ExchangeStart) => ExchangeObserver | undefined;

/**
 * Told of an exchange as it passes, as the visitor sent it and gets it. What it is given is on its way: it
 * may not be changed, and bytes that are to be kept have to be copied. It cannot hold anything up, and what
 * it throws becomes an uncaught exception that the exchange does not notice.
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
  /** The last call, with what the event `request` tells too. */
  onOver?(event: RequestEvent): void;
}

/** An observer that can break nothing. */
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
    runAside(() => this.#observer.onOver?.(event));
  }
}
