import { TunnelError, unusable } from "mcp-tunnel-protocol";
import type { AcceptedStream, RequestHead, StreamHandler } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { throwAside } from "../aside.js";
import { Exchange } from "./exchange.js";
import { GuardedObserver } from "./observer.js";
import type { ObserveExchange } from "./observer.js";
import { headFault } from "./request-head.js";
import { ignored } from "./service.js";
import type { DeclaredGate, ServedTunnel, Service } from "./service.js";

export interface ExchangesOptions {
  /** Requests and upgraded connections open at the same time. */
  readonly maxStreams: number;
  readonly observeExchange: ObserveExchange | undefined;
}

/** Is told of each exchange. */
export interface ExchangesListener {
  /** The exchange begins. Nothing has been checked yet. */
  onBegin(exchange: Exchange): void;
  /** The exchange is over. Called once. */
  onOver(exchange: Exchange): void;
}

/**
 * Stands around the client's service, of any kind. It lets only well-formed requests through, limits how many
 * are open at a time, and reports each of them.
 */
export class Exchanges {
  #open = 0;
  #count = 0;
  readonly #service: Service;
  readonly #maxStreams: number;
  readonly #observe: ObserveExchange | undefined;
  readonly #listener: ExchangesListener;
  readonly #onOver = (exchange: Exchange): void => {
    this.#open -= 1;
    this.#listener.onOver(exchange);
  };

  constructor(service: Service, options: ExchangesOptions, listener: ExchangesListener) {
    this.#service = service;
    this.#maxStreams = options.maxStreams;
    this.#observe = options.observeExchange;
    this.#listener = listener;
  }

  /** Exchanges that are open now. */
  get open(): number {
    return this.#open;
  }

  get gate(): DeclaredGate | undefined {
    return this.#service.gate;
  }

  /** @throws TunnelError `invalid_option`: the service cannot work on this tunnel. */
  begin(tunnel: ServedTunnel): void {
    try {
      this.#service.begin?.(tunnel);
    } catch (error) {
      if (error instanceof TunnelError && error.code === "invalid_option") throw error;
      const message = `the service does not begin at ${tunnel.url}: ${messageOf(error)}`;
      throw unusable(message, { cause: error, options: ["service"] });
    }
  }

  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler {
    this.#open += 1;
    this.#count += 1;
    const exchange = new Exchange(stream, head, end, tunnel, this.#onOver);
    exchange.number = this.#count;
    this.#listener.onBegin(exchange);
    if (this.#observe !== undefined) this.#tell(this.#observe, exchange, head, tunnel);
    const fault = headFault(head, end);
    if (fault !== undefined) {
      exchange.reset("bad_message", `the relay sent an unusable request: ${fault}`);
      return ignored;
    }
    if (this.#open > this.#maxStreams || this.#leftBehind > this.#maxStreams) {
      exchange.reset("overloaded", `the client already serves ${this.#maxStreams} requests`);
      return ignored;
    }
    exchange.serve(this.#service);
    return exchange;
  }

  /**
   * Work of the service whose streams are over, such as a connection that is being made. A relay that gives
   * each request up at once could cause any amount of it. The newest exchange has not reached the service
   * yet.
   */
  get #leftBehind(): number {
    return this.#service.open - (this.#open - 1);
  }

  #tell(observe: ObserveExchange, exchange: Exchange, head: RequestHead, tunnel: ServedTunnel): void {
    const { id: streamId, startedAtMs } = exchange;
    try {
      const observer = observe({ id: this.#count, head, tunnel, streamId, startedAtMs });
      if (observer !== undefined) exchange.observe(new GuardedObserver(observer));
    } catch (error) {
      throwAside(error);
    }
  }

  close(): Promise<void> {
    return this.#service.close();
  }
}
