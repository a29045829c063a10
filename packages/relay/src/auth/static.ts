import { hash, timingSafeEqual } from "node:crypto";
import { describeType, isPattern, unusable } from "mcp-tunnel-protocol";
import type { Authenticator } from "./authenticator.js";

/** A token and the patterns of the names it may register. */
export interface StaticToken {
  /** The token, or `sha256:` and its digest in 64 hex digits, so that the token is in no process list. */
  token: string;
  /** The names that it may have, and patterns with one `*`. */
  subdomains: readonly string[];
}

const digestPrefix = "sha256:";
const digestForm = /^sha256:[0-9a-f]{64}$/i;

/** The digest with which the digest of a client's token is compared. */
function digestOf(token: string): Buffer {
  const isDigest = digestForm.test(token);
  return isDigest ? Buffer.from(token.slice(digestPrefix.length), "hex") : hash("sha256", token, "buffer");
}

/**
 * Reads `TOKEN:SUB[,SUB...]` or `sha256:HEX:SUB[,SUB...]`. The last colon divides, so that a token may
 * contain colons.
 * @throws TunnelError `invalid_option`; the message does not repeat the token.
 */
export function parseStaticToken(text: string): StaticToken {
  const form = "a static token is written TOKEN:SUBDOMAIN[,SUBDOMAIN...]";
  if (typeof text !== "string") throw unusable(`${form}; it is no string, but ${describeType(text)}`);
  const colon = text.lastIndexOf(":");
  if (colon === -1) throw unusable(`${form}; the colon is missing`);
  const token = { token: text.slice(0, colon), subdomains: text.slice(colon + 1).split(",") };
  checkToken(token, form);
  return token;
}

/**
 * `what` begins the messages.
 * @throws TunnelError `invalid_option`; the message does not repeat the token.
 */
function checkToken(given: StaticToken, what: string): void {
  const { token, subdomains } = Object(given) as StaticToken;
  if (typeof token !== "string")
    throw unusable(`${what}; the token is no string, but ${describeType(token)}`);
  if (token === "") throw unusable(`${what}; the token is empty`);
  if (token.startsWith(digestPrefix) && !digestForm.test(token)) {
    throw unusable(
      `${what}; a token that starts with sha256: has to be a digest of 64 hex digits, and this one is not`,
    );
  }
  if (!Array.isArray(subdomains)) {
    throw unusable(`${what}; the subdomains are no array of patterns, but ${describeType(subdomains)}`);
  }
  for (const subdomain of subdomains as readonly unknown[]) {
    if (typeof subdomain === "string" && isPattern(subdomain)) continue;
    throw unusable(
      `${what}; the subdomain pattern '${String(subdomain)}' is not usable: letters, digits, hyphens and at most one '*'`,
    );
  }
}

/**
 * Knows a fixed set of tokens. A token given more than once has the patterns of all its entries.
 * @throws TunnelError `invalid_option` when a token or a pattern is not well formed.
 */
export function staticAuthenticator(tokens: readonly StaticToken[]): Authenticator {
  if (!Array.isArray(tokens))
    throw unusable(`static tokens are given in an array, not as ${describeType(tokens)}`);
  for (const [i, token] of (tokens as readonly StaticToken[]).entries()) {
    checkToken(token, `the static token ${i + 1} of ${tokens.length} is not usable`);
  }
  const known = tokens.map(({ token, subdomains }) => ({ digest: digestOf(token), subdomains }));
  return {
    mode: "static",
    async authenticate({ token }) {
      // All digests have one length and are compared in constant time, so that the time tells nothing about a
      // token.
      const digest = hash("sha256", token, "buffer");
      const matching = known.filter((entry) => timingSafeEqual(entry.digest, digest));
      if (matching.length === 0) return { refused: "invalid token" };
      return { allowed: matching.flatMap((entry) => entry.subdomains) };
    },
  };
}
