import type { GateEvent } from "./events.js";
import type { GrantStorage } from "./grants.js";

/** The kinds of proofs by which a visitor may come in. */
export const gateKinds = ["bearer", "basic", "oauth"] as const;
/** A kind of proof by which a visitor may come in. @useDeclaredType */
export type GateKind = (typeof gateKinds)[number];

/**
 * At least 16 visible characters of ASCII. Shorter keys could be guessed: strangers try thousands a second,
 * and no limit holds for keys.
 */
export const keyShape = /^[\x21-\x7e]{16,}$/;

/** A key that a visitor shows as `Authorization: Bearer KEY` or `X-API-Key: KEY`. */
export interface BearerKey {
  /** For the service and for the screen. */
  readonly name: string;
  /** {@link keyShape} */
  readonly key: string;
}

/** A user of HTTP Basic authentication (RFC 7617). */
export interface BasicUser {
  /** Without a colon. */
  readonly name: string;
  /** At most 200 characters. */
  readonly password: string;
}

/** An OpenID provider that says who somebody is. */
export interface LoginOptions {
  /** The issuer, an https URL. */
  readonly issuer: string;
  /** The id of this gate at the provider. */
  readonly clientId: string;
  /** Its secret there, if the provider has given one. */
  readonly clientSecret?: string;
  /**
   * Who may come in: e-mail addresses that the provider has verified, or `@example.com` for a whole domain.
   */
  readonly allowEmails: readonly string[];
}

/** OAuth 2.1 for MCP hosts. At least one of `passcode`, `terminal` and `login` has to be there. */
export interface OAuthOptions {
  /** What the pages call the thing behind the gate, such as the name of the tunnel. Default: the host. */
  readonly title?: string;
  /** A visitor who knows it may approve. At least 80 bits. */
  readonly passcode?: string;
  /** The owner may approve by the number that the page shows: {@link Gate.approve}. Default false. */
  readonly terminal?: boolean;
  /** An OpenID provider whose people may approve. */
  readonly login?: LoginOptions;
  /** Where grants are kept. Default: in memory. */
  readonly storage?: GrantStorage;
  /**
   * Whether `iss` is announced and sent in authorization responses (RFC 9207). Codex 0.143 and 0.144 fail
   * when it is. Default true.
   */
  readonly issParameter?: boolean;
}

/**
 * A gate in front of a service. Any of the proofs that are given lets a visitor in. If none is given, only
 * `allowAddresses` decides.
 */
export interface GateOptions {
  /** Keys that programs show. */
  readonly bearer?: { readonly keys: readonly BearerKey[] };
  /** Users with passwords, for browsers. */
  readonly basic?: { readonly users: readonly BasicUser[] };
  /** OAuth, for MCP hosts. */
  readonly oauth?: OAuthOptions;
  /** Addresses and CIDR ranges from which visitors may come, beside their proof. Default: all. */
  readonly allowAddresses?: readonly string[];
  /** Told of what happens at the gate. Default: nobody is told. */
  readonly onEvent?: (event: GateEvent) => void;
}
