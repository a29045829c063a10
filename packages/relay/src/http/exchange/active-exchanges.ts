import type { Route } from "mcp-tunnel-cluster/relay";
import type { Traffic } from "../../telemetry/observer.js";

/** What {@link ActiveExchanges} needs of an exchange. */
export interface OpenExchange extends Readonly<Traffic> {
  /** Its index in the list of them; -1 when it is not there. Only {@link ActiveExchanges} sets it. */
  place: number;
  /** The name of the tunnel that it was taken to. */
  readonly name?: string;
  /** The route to which it was taken last. */
  readonly route: Route | undefined;
  /** Cuts the exchange: the relay stops. */
  cut(reason: string): void;
}

/** The exchanges that are going on. Tells when there have been none for a while. */
export class ActiveExchanges {
  /**
   * Each exchange knows its place. A Set would keep them in memory until the next full collection
   * (stream-table.ts in the protocol package).
   */
  readonly #active: OpenExchange[] = [];
  #quiet: { readonly ms: number; readonly resolve: () => void } | undefined;
  #quietTimer: NodeJS.Timeout | undefined;

  get size(): number {
    return this.#active.length;
  }

  add(exchange: OpenExchange): void {
    exchange.place = this.#active.push(exchange) - 1;
    clearTimeout(this.#quietTimer);
  }

  /**
   * The bytes of open exchanges so far, by route. The key `undefined` is for those that have no route yet.
   */
  traffic(): Map<Route | undefined, Traffic> {
    return sums(this.#active, ({ route }) => route);
  }

  /** The bytes of open exchanges on routes that are `elsewhere`, by name. */
  trafficByName(elsewhere: (route: Route) => boolean): Map<string, Traffic> {
    const active = this.#active.filter(({ route }) => route !== undefined && elsewhere(route));
    return sums(active, ({ name = "" }) => name);
  }

  has(exchange: OpenExchange): boolean {
    return exchange.place >= 0;
  }

  /** Removes an exchange. False when it was not among them any more. */
  delete(exchange: OpenExchange): boolean {
    const { place } = exchange;
    if (place < 0) return false;
    exchange.place = -1;
    const last = this.#active.pop() as OpenExchange;
    if (last !== exchange) {
      this.#active[place] = last;
      last.place = place;
    }
    this.#watchQuiet();
    return true;
  }

  /**
   * Resolves when no exchange has been going on for `ms` without a break, or after `cut`. Call it
   * again only when it has resolved.
   */
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

  /** Cuts all exchanges. No others will follow. */
  cut(reason: string): void {
    for (const exchange of [...this.#active]) exchange.cut(reason);
    clearTimeout(this.#quietTimer);
    this.#quiet?.resolve();
    this.#quiet = undefined;
  }
}

function sums<Key>(
  exchanges: readonly OpenExchange[],
  keyOf: (exchange: OpenExchange) => Key,
): Map<Key, Traffic> {
  const traffic = new Map<Key, Traffic>();
  for (const exchange of exchanges) {
    const key = keyOf(exchange);
    const sum = traffic.get(key) ?? { requestBytes: 0, responseBytes: 0 };
    sum.requestBytes += exchange.requestBytes;
    sum.responseBytes += exchange.responseBytes;
    traffic.set(key, sum);
  }
  return traffic;
}
