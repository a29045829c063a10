import { stackOf } from "mcp-tunnel-shared";
import type { Logger } from "./log.js";
import type { ExchangeRecord, LimitEvent, RelayObserver, TunnelEvent } from "./observer.js";

/** All observers as one. An error of one observer is logged. It does not keep the others from hearing. */
export class Observers implements Required<RelayObserver> {
  readonly #all: readonly RelayObserver[];
  readonly #logger: Logger;

  constructor(all: readonly RelayObserver[], logger: Logger) {
    this.#all = all;
    this.#logger = logger;
  }

  onEnd(exchange: ExchangeRecord): void {
    // As `#tell`, without a function for each exchange.
    for (const observer of this.#all) {
      try {
        observer.onEnd(exchange);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }

  onTunnelEvent(event: TunnelEvent): void {
    this.#tell((observer) => observer.onTunnelEvent?.(event));
  }

  onLimit(event: LimitEvent): void {
    this.#tell((observer) => observer.onLimit?.(event));
  }

  #tell(tell: (observer: RelayObserver) => void): void {
    for (const observer of this.#all) {
      try {
        tell(observer);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }

  #onFault(error: unknown): void {
    this.#logger.error({ error: stackOf(error) }, "an observer failed");
  }
}
