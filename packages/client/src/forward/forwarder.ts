import { headerValue } from "mcp-tunnel-protocol";
import type { AcceptedStream, RequestHead, StreamHandler } from "mcp-tunnel-protocol";
import type { ResolvedOptions } from "../options.js";
import { Exchange, ignored } from "./exchange.js";
import type { ExchangeObserver } from "./exchange.js";
import { headFault } from "./headers.js";
import { sendRaw } from "./raw-request.js";
import { LocalRequest } from "./request.js";
import { createUpstream } from "./upstream.js";
import type { Upstream } from "./upstream.js";

/** Takes the streams of every session and sends each on to the local service. */
export class Forwarder {
  #open = 0;
  readonly #upstream: Upstream;
  readonly #maxStreams: number;
  readonly #observer: ExchangeObserver;

  constructor(options: ResolvedOptions, observer: ExchangeObserver) {
    this.#upstream = createUpstream(options);
    this.#maxStreams = options.maxStreams;
    this.#observer = (event) => {
      this.#open -= 1;
      observer(event);
    };
  }

  /** Exchanges that are open now. */
  get open(): number {
    return this.#open;
  }

  readonly accept = (stream: AcceptedStream, head: RequestHead, end: boolean): StreamHandler => {
    this.#open += 1;
    const exchange = new Exchange(stream, head, this.#observer);
    const fault = headFault(head, end);
    if (fault !== undefined) {
      exchange.fail({ code: "bad_message", message: `the relay sent an unusable request: ${fault}` });
      return ignored;
    }
    // Those that were given up count, or a relay that gives each up at once could have as many connections made as it likes.
    if (this.#open + this.#upstream.givenUp.count > this.#maxStreams) {
      exchange.fail({
        code: "overloaded",
        message: `the client already serves ${this.#maxStreams} requests`,
      });
      return ignored;
    }
    const raw =
      head.upgrade === true ||
      head.path === "*" ||
      headerValue(head.headers, "expect") !== undefined ||
      (!end && headerValue(head.headers, "trailer") !== undefined);
    return raw ? sendRaw(exchange, this.#upstream, end) : new LocalRequest(exchange, this.#upstream, end);
  };

  /** Cuts all connections to the local service. */
  async close(): Promise<void> {
    await this.#upstream.pool.destroy();
  }
}
