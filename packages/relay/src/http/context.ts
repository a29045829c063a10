import type { RelayObserver } from "../observer.js";
import type { ResolvedRelayOptions } from "../options.js";
import type { TunnelRegistry } from "../registry.js";
import type { Exchange } from "./exchange.js";

/** What all exchanges of a relay share. */
export interface ExchangeContext {
  readonly options: ResolvedRelayOptions;
  readonly registry: TunnelRegistry;
  readonly observers: readonly RelayObserver[];
  /** The exchanges that are going on. */
  readonly exchanges: ActiveExchanges;
  /** The relay is shutting down: connections are closed after their answer. */
  draining: boolean;
}

/** The exchanges that are going on, and when there are none. */
export class ActiveExchanges {
  readonly #active = new Set<Exchange>();
  #waiting: (() => void)[] = [];

  get size(): number {
    return this.#active.size;
  }

  add(exchange: Exchange): void {
    this.#active.add(exchange);
  }

  has(exchange: Exchange): boolean {
    return this.#active.has(exchange);
  }

  /** False when it was not among them any more. */
  delete(exchange: Exchange): boolean {
    const deleted = this.#active.delete(exchange);
    if (deleted && this.#active.size === 0) {
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
    return deleted;
  }

  /** Resolves when none is going on. */
  idle(): Promise<void> {
    if (this.#active.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Cuts all of them. */
  cut(reason: string): void {
    for (const exchange of [...this.#active]) exchange.cut(reason);
  }
}
