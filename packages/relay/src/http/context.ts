import type { Holds } from "../holds.js";
import type { AddressKeys, Occupancy } from "../limits/addresses.js";
import type { LimitReporter } from "../limits/limit-reporter.js";
import type { Observers } from "../observers.js";
import type { ResolvedRelayOptions } from "../options.js";
import type { TunnelRegistry } from "../registry.js";
import type { Tunnel } from "../tunnel.js";
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
  /** Each knows its place. A Set would keep them until the next full collection (stream-table.ts in the protocol package). */
  readonly #active: Exchange[] = [];
  #quiet: { readonly ms: number; readonly resolve: () => void } | undefined;
  #quietTimer: NodeJS.Timeout | undefined;

  get size(): number {
    return this.#active.length;
  }

  add(exchange: Exchange): void {
    exchange.place = this.#active.push(exchange) - 1;
    clearTimeout(this.#quietTimer);
  }

  /** What went through those that are going on so far, by their tunnels; `undefined` for those that have none yet. */
  traffic(): Map<Tunnel | undefined, Traffic> {
    const traffic = new Map<Tunnel | undefined, Traffic>();
    for (const { tunnel, requestBytes, responseBytes } of this.#active) {
      const sum = traffic.get(tunnel) ?? { requestBytes: 0, responseBytes: 0 };
      sum.requestBytes += requestBytes;
      sum.responseBytes += responseBytes;
      traffic.set(tunnel, sum);
    }
    return traffic;
  }

  has(exchange: Exchange): boolean {
    return exchange.place >= 0;
  }

  /** False when it was not among them any more. */
  delete(exchange: Exchange): boolean {
    const { place } = exchange;
    if (place < 0) return false;
    exchange.place = -1;
    const last = this.#active.pop() as Exchange;
    if (last !== exchange) {
      this.#active[place] = last;
      last.place = place;
    }
    this.#watchQuiet();
    return true;
  }

  /** Resolves when none has been going on for `ms` without a break, or after `cut`. Call it once. */
  quiet(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet = { ms, resolve };
      this.#watchQuiet();
    });
  }

  #watchQuiet(): void {
    if (this.#quiet === undefined || this.#active.length > 0) return;
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
