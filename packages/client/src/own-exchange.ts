/**
 * The entry /own-exchange: requests of this program's own, for a wrapper that sends them to the service that
 * it wraps. They get the checks that the requests of visitors get.
 */
import type { AcceptedStream, RequestHead, StreamHandler } from "mcp-tunnel-protocol";
import { Exchange } from "./service/exchange.js";
import { GuardedObserver } from "./service/observer.js";
import type { ExchangeObserver, RequestEvent } from "./service/observer.js";
import type { ServedTunnel, Service } from "./service/service.js";

export { headFault } from "./service/request-head.js";

export interface OwnExchange {
  /** What becomes of the answer. Its id has to be one that no stream of the tunnel has: a negative one. */
  readonly stream: AcceptedStream;
  /** It has no fault. */
  readonly head: RequestHead;
  /** The request has no body. */
  readonly end: boolean;
  readonly tunnel: ServedTunnel;
  readonly observer: ExchangeObserver;
  /** Called once. */
  readonly onOver: (event: RequestEvent) => void;
}

/**
 * Hands a request to a service. What the service does against the rules ends the exchange, with a reset of
 * the stream, and is reported as usual. The result is the stream's handler: it takes the body, the request's
 * end and a reset.
 */
export function beginOwnExchange(service: Service, own: OwnExchange): StreamHandler {
  const exchange = new Exchange(own.stream, own.head, own.end, own.tunnel, (over) =>
    own.onOver(over.report()),
  );
  exchange.observe(new GuardedObserver(own.observer));
  exchange.serve(service);
  return exchange;
}
