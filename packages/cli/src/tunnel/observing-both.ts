import type { ExchangeObserver, ExchangeStart, ObserveExchange, RequestEvent } from "mcp-tunnel-client";
import type { RawHeaders, ResponseHead } from "mcp-tunnel-protocol";

/** One observer for the option of the client that takes one. Each exchange is told to those who want it. */
export function observingBoth(first: ObserveExchange, second: ObserveExchange): ObserveExchange {
  return (exchange: ExchangeStart) => {
    const one = first(exchange);
    const other = second(exchange);
    if (one === undefined) return other;
    return other === undefined ? one : new BothObservers(one, other);
  };
}

/** Each request has one of these, so it holds no array. */
class BothObservers implements Required<ExchangeObserver> {
  readonly #one: ExchangeObserver;
  readonly #other: ExchangeObserver;

  constructor(one: ExchangeObserver, other: ExchangeObserver) {
    this.#one = one;
    this.#other = other;
  }

  onRequestData(chunk: Buffer): void {
    this.#one.onRequestData?.(chunk);
    this.#other.onRequestData?.(chunk);
  }

  onRequestEnd(trailers: RawHeaders): void {
    this.#one.onRequestEnd?.(trailers);
    this.#other.onRequestEnd?.(trailers);
  }

  onInterim(head: ResponseHead): void {
    this.#one.onInterim?.(head);
    this.#other.onInterim?.(head);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.#one.onHead?.(head, end);
    this.#other.onHead?.(head, end);
  }

  onData(chunk: Buffer): void {
    this.#one.onData?.(chunk);
    this.#other.onData?.(chunk);
  }

  onEnd(trailers: RawHeaders): void {
    this.#one.onEnd?.(trailers);
    this.#other.onEnd?.(trailers);
  }

  onOver(event: RequestEvent): void {
    // After a fault of one, the other still has to tell, and to let go of what it holds.
    try {
      this.#one.onOver?.(event);
    } finally {
      this.#other.onOver?.(event);
    }
  }
}
