import type { BasicUsers } from "./credentials/basic-users.js";
import type { Secrets } from "./credentials/secrets.js";
import type { ProofField, VisitFields } from "./fields.js";
import type { OAuth } from "./oauth/oauth.js";
import { Tries } from "./tries.js";
import type { Identity, Visit } from "./visit.js";

/**
 * How often an address may send a wrong password of HTTP Basic authentication, each minute. People choose
 * weak passwords, and a browser sends a stale one once, not ten times.
 */
const triesPerMinute = 10;

/** What the proofs of a visit are worth. */
export type Finding =
  /** `rest`: the fields that are none of the gate's proofs, which the service may get. */
  | { readonly kind: "known"; readonly identity: Identity; readonly rest: readonly ProofField[] }
  /** `wasWrong`: something was shown, and is not valid. `isTokenWrong`: it was shown as a Bearer token. */
  | { readonly kind: "unknown"; readonly wasWrong: boolean; readonly isTokenWrong: boolean }
  | { readonly kind: "tooManyTries"; readonly waitSeconds: number };

const nothingShown: Finding = { kind: "unknown", wasWrong: false, isTokenWrong: false };

/** Checks what visitors show. */
export class Proofs {
  readonly users: BasicUsers | undefined;
  readonly #oauth: OAuth | undefined;
  readonly #tries = new Tries(triesPerMinute);
  /** May be replaced at any time. */
  keys: Secrets<Identity> | undefined;

  constructor(keys: Secrets<Identity> | undefined, users: BasicUsers | undefined, oauth: OAuth | undefined) {
    this.keys = keys;
    this.users = users;
    this.#oauth = oauth;
  }

  /** Whether anything but an address lets a visitor in. */
  get any(): boolean {
    return this.keys !== undefined || this.users !== undefined || this.#oauth !== undefined;
  }

  check({ authorization, apiKey }: VisitFields, visit: Visit): Finding {
    const byKey = apiKey === undefined ? undefined : this.keys?.find(apiKey.value);
    if (byKey !== undefined) {
      const isOwn = authorization === undefined || this.#isOwn(authorization.value);
      return { kind: "known", identity: byKey, rest: isOwn ? [] : [authorization] };
    }
    const found =
      authorization === undefined ? nothingShown : this.#checkAuthorization(authorization.value, visit);
    // A key that is not the gate's may be the service's own.
    if (found.kind === "known" && apiKey !== undefined) return { ...found, rest: [apiKey] };
    if (found.kind === "unknown" && apiKey !== undefined) return { ...found, wasWrong: true };
    return found;
  }

  #checkAuthorization(value: string, visit: Visit): Finding {
    const { scheme, credentials } = split(value);
    if (scheme === "bearer") {
      const identity = this.keys?.find(credentials) ?? this.#oauth?.identify(credentials, visit);
      if (identity !== undefined) return { kind: "known", identity, rest: [] };
      return { kind: "unknown", wasWrong: true, isTokenWrong: true };
    }
    if (scheme === "basic" && this.users !== undefined) {
      return this.#checkPassword(this.users, credentials, visit.address);
    }
    return { kind: "unknown", wasWrong: true, isTokenWrong: false };
  }

  /**
   * An address that has failed too often has to wait with the right password, too. If that let it in, the
   * answer would still tell a guesser which password is right. Neighbours who share an address with a guesser
   * wait with him. Keys and tokens, which nobody guesses, go on working there.
   */
  #checkPassword(users: BasicUsers, credentials: string, address: string | undefined): Finding {
    const waitSeconds = this.#tries.waitSeconds(address);
    if (waitSeconds > 0) return { kind: "tooManyTries", waitSeconds };
    const identity = users.find(credentials);
    if (identity !== undefined) return { kind: "known", identity, rest: [] };
    this.#tries.failed(address);
    return { kind: "unknown", wasWrong: true, isTokenWrong: false };
  }

  /**
   * Whether an Authorization beside a right key may be a proof for the gate as well, which the service must
   * not get. A password counts as one unread. Otherwise a visitor with a key could guess passwords without
   * limit, at a service that shows what it gets. So does any token where there is OAuth: a token that is not
   * valid at this path may be valid at another.
   */
  #isOwn(value: string): boolean {
    const { scheme, credentials } = split(value);
    if (scheme === "basic") return this.users !== undefined;
    if (scheme !== "bearer") return false;
    return this.#oauth !== undefined || this.keys?.find(credentials) !== undefined;
  }
}

/** RFC 9110 section 11.4: a scheme in any letter case, and what follows the spaces behind it. */
function split(value: string): { readonly scheme: string; readonly credentials: string } {
  // Nearly all write it so, and this runs for every request.
  if (value.startsWith("Bearer ") && value.charCodeAt(7) !== 0x20 && !value.endsWith(" ")) {
    return { scheme: "bearer", credentials: value.slice(7) };
  }
  const trimmed = value.trim();
  const space = trimmed.indexOf(" ");
  if (space === -1) return { scheme: trimmed.toLowerCase(), credentials: "" };
  return { scheme: trimmed.slice(0, space).toLowerCase(), credentials: trimmed.slice(space).trim() };
}
