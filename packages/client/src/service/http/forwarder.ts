import { headerValue } from "mcp-tunnel-protocol";
import type { AcceptStream, StreamHandler } from "mcp-tunnel-protocol";
import type { ForwardingOptions } from "./policies.js";
import { Agreement } from "./agreement/agreement.js";
import type { PublicSide } from "./agreement/public-names.js";
import { termsOf } from "./agreement/terms.js";
import type { ClientWarning } from "./agreement/terms.js";
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
  readonly #options: ForwardingOptions;
  readonly #upstream: Upstream;
  readonly #maxStreams: number;
  readonly #observer: ExchangeObserver;
  readonly #warn: (warning: ClientWarning) => void;
  readonly #warned = new Set<string>();

  /** `warn` is called once for each kind of warning. */
  constructor(
    options: ForwardingOptions,
    observer: ExchangeObserver,
    warn: (warning: ClientWarning) => void,
  ) {
    this.#options = options;
    this.#upstream = createUpstream(options);
    this.#maxStreams = options.maxStreams;
    this.#warn = (warning) => {
      if (this.#warned.has(warning.code)) return;
      this.#warned.add(warning.code);
      warn(warning);
    };
    this.#observer = (event) => {
      this.#open -= 1;
      observer(event);
    };
  }

  /** Exchanges that are open now. */
  get open(): number {
    return this.#open;
  }

  /**
   * What takes the streams of a session whose relay calls the service so. `maxResponseBody`: the longest body that the relay passes
   * on, in bytes; default: it did not say.
   */
  acceptFor(tunnel: PublicSide, maxResponseBody = Number.POSITIVE_INFINITY): AcceptStream {
    const terms = termsOf(this.#options, tunnel, this.#warn);
    return (stream, head, end) => {
      this.#open += 1;
      const agreement = new Agreement(terms, head);
      return this.#begin(new Exchange(stream, head, agreement, maxResponseBody, this.#observer), end);
    };
  }

  #begin(exchange: Exchange, end: boolean): StreamHandler {
    const { head } = exchange;
    const fault = headFault(head, end);
    if (fault !== undefined) {
      exchange.fail({ code: "bad_message", message: `the relay sent an unusable request: ${fault}` });
      return ignored;
    }
    // As many may be given up while their connections are made: a relay that gives each up at once could have any number made.
    if (this.#open > this.#maxStreams || this.#upstream.givenUp.count > this.#maxStreams) {
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
  }

  /** Cuts all connections to the local service. */
  async close(): Promise<void> {
    await this.#upstream.pool.destroy();
  }
}
