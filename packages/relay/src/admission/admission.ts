import { hash } from "node:crypto";
import type { Duplex } from "node:stream";
import { type AddressKeys, Occupancy } from "./addresses.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import type { Limits } from "../limits.js";
import { TokenBuckets } from "./token-buckets.js";

/** A client that asks to register, as far as limits are concerned. */
export interface Applicant {
  address: string;
  /** Whether a trusted proxy named the address. Its connection has not been counted for that address then. */
  proxied: boolean;
  /** Its messages come through another relay of the cluster, which has counted it for its address. */
  spliced?: boolean;
}

/** Decides which registrations the relay looks at. */
export class Admission {
  readonly #keys: AddressKeys;
  readonly #reporter: LimitReporter;
  readonly #registrations: TokenBuckets;
  readonly #failures: TokenBuckets;
  readonly #proxied: Occupancy;

  constructor(limits: Limits, keys: AddressKeys, reporter: LimitReporter) {
    this.#keys = keys;
    this.#reporter = reporter;
    this.#registrations = new TokenBuckets(limits.maxRegistrationsPerMinute);
    this.#failures = new TokenBuckets(limits.maxFailedTokensPerMinute);
    this.#proxied = new Occupancy(limits.maxConnectionsPerAddress);
  }

  /**
   * Whether a client may register over this connection now. A proxy's connection then counts until it closes.
   */
  admit({ address, proxied }: Applicant, connection: Duplex): boolean {
    const key = this.#keys.of(address);
    if (key === undefined) return true;
    if (!this.#registrations.take(key)) {
      this.#reporter.hit("registrations_per_address", { address });
      return false;
    }
    if (!proxied) return true;
    if (!this.#proxied.enter(key)) {
      this.#reporter.hit("connections_per_address", { address });
      return false;
    }
    connection.on("close", () => this.#proxied.leave(key));
    return true;
  }

  /**
   * Does not count a client that only resumed its session: with the session's secret it has been admitted
   * before.
   */
  resumed({ address, spliced }: Applicant): void {
    const key = this.#keys.of(address);
    // There is nothing to give back where nothing was taken.
    if (key !== undefined && spliced !== true) this.#registrations.refund(key);
  }

  /** Whether a token from this address is checked. After many wrong tokens none is, right or wrong. */
  mayTryToken({ address }: Applicant): boolean {
    const key = this.#keys.of(address);
    if (key === undefined || this.#failures.has(key)) return true;
    this.#reporter.hit("failed_tokens", { address });
    return false;
  }

  tokenFailed({ address }: Applicant): void {
    const key = this.#keys.of(address);
    if (key !== undefined) this.#failures.take(key);
  }
}

/** A digest by which tokens can be told apart without keeping them. */
export function tokenKey(token: string): string {
  return hash("sha256", token, "base64url");
}
