import { hash } from "node:crypto";
import type { Duplex } from "node:stream";
import { type AddressKeys, Occupancy } from "./addresses.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import type { Limits } from "../limits.js";
import { TokenBuckets } from "./token-buckets.js";

/** Whoever asks to register, as far as limits are concerned. */
export interface Applicant {
  address: string;
  /** A trusted proxy names the address: its connection is not counted with the others of that address. */
  proxied: boolean;
}

/** Decides whose registration is looked at. */
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

  /** Lets a client register over this connection, which counts until it closes; false: not now. */
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

  /** It only went on with a session that it had: whoever knows the secret has been admitted before. */
  resumed({ address }: Applicant): void {
    const key = this.#keys.of(address);
    if (key !== undefined) this.#registrations.refund(key);
  }

  /** Whether a token from this address is looked at: after many wrong ones it is not, right or wrong. */
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

/** Tells tokens apart without keeping them. */
export function tokenKey(token: string): string {
  return hash("sha256", token, "base64url");
}
