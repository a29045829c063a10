import { isPromise } from "node:util/types";
import { stackOf } from "mcp-tunnel-shared";
import type { Logger } from "./log.js";
import type { ExchangeRecord, LimitEvent, RelayObserver, TunnelEvent } from "./observer.js";

/**
 * All observers as one. An error of one observer is logged, also if its function is async. It does not keep
 * the others from hearing.
 */
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
        this.#watch(observer.onEnd(exchange));
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
        this.#watch(tell(observer));
      } catch (error) {
        this.#onFault(error);
      }
    }
  }

  /** An async function may be given for one that returns nothing. Its rejection would end the relay. */
  #watch(returned: unknown): void {
    if (isPromise(returned)) returned.catch((error: unknown) => this.#onFault(error));
  }

  #onFault(error: unknown): void {
    this.#logger.error({ error: stackOf(error) }, "an observer failed");
  }
}
