import type { Holds } from "../holds.js";
import type { AddressKeys, Occupancy } from "../limits/addresses.js";
import type { LimitReporter } from "../limits/limit-reporter.js";
import type { Observers } from "../observers.js";
import type { ResolvedRelayOptions } from "../options.js";
import type { TunnelRegistry } from "../registry.js";
import type { Traffic } from "../observer.js";
import type { Exchange } from "./exchange.js";

/** What all exchanges of a relay share. */
export interface ExchangeContext {
  readonly options: ResolvedRelayOptions;
  readonly registry: TunnelRegistry;
  readonly observers: Observers;
  /** The public URL of a tunnel of that name. Known once the relay listens. */
  readonly publicUrl: (name: string) => string;
  /** The exchanges that are going on. */
  readonly exchanges: ActiveExchanges;
  readonly limits: LimitReporter;
  /** Requests of each address that are going on. */
  readonly requests: Occupancy;
  readonly addressKeys: AddressKeys;
  /** Those of them that wait for a client. */
  readonly holds: Holds;
  /** The relay is shutting down: connections are closed after their answer. */
  draining: boolean;
}

/** The exchanges that are going on, and when there are none. */
export class ActiveExchanges {
  readonly #active = new Set<Exchange>();
  #quiet: { readonly ms: number; readonly resolve: () => void } | undefined;
  #quietTimer: NodeJS.Timeout | undefined;

  get size(): number {
    return this.#active.size;
  }

  add(exchange: Exchange): void {
    this.#active.add(exchange);
    clearTimeout(this.#quietTimer);
  }

  /** What went through those that are going on so far, by the names of their tunnels. */
  traffic(): Map<string, Traffic> {
    const traffic = new Map<string, Traffic>();
    for (const { name, requestBytes, responseBytes } of this.#active) {
      const sum = traffic.get(name) ?? { requestBytes: 0, responseBytes: 0 };
      sum.requestBytes += requestBytes;
      sum.responseBytes += responseBytes;
      traffic.set(name, sum);
    }
    return traffic;
  }

  has(exchange: Exchange): boolean {
    return this.#active.has(exchange);
  }

  /** False when it was not among them any more. */
  delete(exchange: Exchange): boolean {
    const deleted = this.#active.delete(exchange);
    if (deleted) this.#watchQuiet();
    return deleted;
  }

  /** Resolves when none has been going on for `ms` without a break, or after `cut`. Call it once. */
  quiet(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet = { ms, resolve };
      this.#watchQuiet();
    });
  }

  #watchQuiet(): void {
    if (this.#quiet === undefined || this.#active.size > 0) return;
    this.#quietTimer = setTimeout(this.#quiet.resolve, this.#quiet.ms);
  }

  /** Cuts all of them; there will be no others. */
  cut(reason: string): void {
    for (const exchange of [...this.#active]) exchange.cut(reason);
    clearTimeout(this.#quietTimer);
    this.#quiet?.resolve();
    this.#quiet = undefined;
  }
}
