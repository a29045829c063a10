import type { Limits } from "../limits.js";
import { Bucket } from "./bucket.js";
import { Pacer } from "./pacer.js";

/** The limits that a token may have of its own. */
interface TokenRates {
  readonly maxRequestsPerSecond?: number | undefined;
  readonly maxBytesPerSecond?: number | undefined;
}

/** Who a tunnel belongs to. */
interface Owned {
  /** Stands for the secret of the token. */
  readonly owner: string;
  readonly grant: ({ readonly id: string } & TokenRates) | undefined;
}

type Defaults = Pick<Limits, "maxTokenRequestsPerSecond" | "maxTokenBytesPerSecond">;

/** What all tunnels of one token together may take. */
export class TokenMeter {
  /** The limits of its own. They may change at any time. */
  rates: TokenRates | undefined;
  readonly #defaults: Defaults;
  // Made at their first use, because most tokens never need them.
  #requests: Bucket | undefined;
  #pacer: Pacer | undefined;

  constructor(defaults: Defaults) {
    this.#defaults = defaults;
  }

  /** For the bytes of bodies, both ways. */
  get pacer(): Pacer {
    return (this.#pacer ??= new Pacer(() => this.maxBytesPerSecond));
  }

  /** `undefined` for no limit. */
  get maxRequestsPerSecond(): number | undefined {
    return rateOf(this.rates?.maxRequestsPerSecond, this.#defaults.maxTokenRequestsPerSecond);
  }

  /** `undefined` for no limit. */
  get maxBytesPerSecond(): number | undefined {
    return rateOf(this.rates?.maxBytesPerSecond, this.#defaults.maxTokenBytesPerSecond);
  }

  /** Whether another request may pass now. It counts then. */
  takeRequest(): boolean {
    const rate = this.maxRequestsPerSecond;
    if (rate === undefined) return true;
    if (this.#requests === undefined) this.#requests = new Bucket(rate, 1_000);
    else if (this.#requests.size !== rate) this.#requests.resize(rate);
    return this.#requests.take(1);
  }

  /** A new meter would let pass no more than this one. */
  get isRested(): boolean {
    return this.#requests?.isFull !== false && this.#pacer?.isRested !== false;
  }
}

/** The meters of the tokens that have tunnels. */
export class TokenMeters {
  readonly #defaults: Defaults;
  readonly #meters = new Map<string, { readonly meter: TokenMeter; tunnels: number }>();
  /** The keys of meters without a tunnel that are not rested: a client that comes back gets no more by it. */
  readonly #leftBehind = new Set<string>();

  constructor(defaults: Defaults) {
    this.#defaults = defaults;
  }

  /** The number of tokens that it remembers. */
  get size(): number {
    this.#forgetRested();
    return this.#meters.size;
  }

  /** The meter for a tunnel. {@link leave} has to follow. */
  enter(owned: Owned): TokenMeter {
    this.#forgetRested();
    const key = keyOf(owned);
    const known = this.#meters.get(key) ?? { meter: new TokenMeter(this.#defaults), tunnels: 0 };
    this.#meters.set(key, known);
    this.#leftBehind.delete(key);
    known.tunnels += 1;
    // The newest grant knows best.
    known.meter.rates = owned.grant;
    return known.meter;
  }

  /** A tunnel is over. */
  leave(owned: Owned): void {
    const key = keyOf(owned);
    const known = this.#meters.get(key);
    if (known === undefined) return;
    known.tunnels -= 1;
    if (known.tunnels === 0) this.#leftBehind.add(key);
    this.#forgetRested();
  }

  #forgetRested(): void {
    for (const key of this.#leftBehind) {
      if (this.#meters.get(key)?.meter.isRested === false) continue;
      this.#leftBehind.delete(key);
      this.#meters.delete(key);
    }
  }
}

/**
 * The limit of the token's own, or else the relay's, where 0 means none. A grant may be a program's own: what
 * is no number, or below 1, counts as 1.
 */
function rateOf(own: number | undefined, relays: number): number | undefined {
  if (own === undefined) return relays === 0 ? undefined : relays;
  if (own === Infinity) return undefined;
  return own >= 1 ? Math.floor(own) : 1;
}

/** A token with a grant is told by the grant's id, and any other by its secret. */
function keyOf({ owner, grant }: Owned): string {
  return grant === undefined ? `secret ${owner}` : `grant ${grant.id}`;
}
