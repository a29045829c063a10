import { createHash, timingSafeEqual } from "node:crypto";
import { TunnelError } from "mcp-tunnel-protocol";
import type { Authenticator } from "./authenticator.js";
import { isPattern } from "./patterns.js";

/** A token and the patterns of the names it may register. */
export interface StaticToken {
  /** The token, or `sha256:` and its digest in 64 hex digits, so that it stands in no process list. */
  token: string;
  subdomains: readonly string[];
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();
const digestPrefix = "sha256:";
const digestForm = /^sha256:[0-9a-f]{64}$/i;

/** What to compare the digest of a client's token with. */
function digestOf(token: string): Buffer {
  const isDigest = digestForm.test(token);
  return isDigest ? Buffer.from(token.slice(digestPrefix.length), "hex") : sha256(token);
}

/**
 * Reads `TOKEN:SUB[,SUB...]` or `sha256:HEX:SUB[,SUB...]`. The last colon divides, so that a token may contain some.
 * @throws TunnelError `invalid_option`; the message does not repeat the token.
 */
export function parseStaticToken(text: string): StaticToken {
  const colon = text.lastIndexOf(":");
  const token = text.slice(0, Math.max(colon, 0));
  const subdomains = text.slice(colon + 1).split(",");
  if (colon === -1) {
    throw new TunnelError(
      "invalid_option",
      "a static token is written TOKEN:SUBDOMAIN[,SUBDOMAIN...]; the colon is missing",
    );
  }
  if (token === "") {
    throw new TunnelError(
      "invalid_option",
      "a static token is written TOKEN:SUBDOMAIN[,SUBDOMAIN...]; the token is empty",
    );
  }
  if (token.startsWith(digestPrefix) && !digestForm.test(token)) {
    throw new TunnelError(
      "invalid_option",
      "a static token that starts with sha256: is the digest of a token, 64 hex digits; this one is not",
    );
  }
  for (const subdomain of subdomains) {
    if (isPattern(subdomain)) continue;
    throw new TunnelError(
      "invalid_option",
      `the subdomain pattern '${subdomain}' of a static token is not usable: letters, digits, hyphens and at most one '*'`,
    );
  }
  return { token, subdomains };
}

/** Knows a fixed set of tokens. A token given more than once has the patterns of all its entries. */
export function staticAuthenticator(tokens: readonly StaticToken[]): Authenticator {
  const known = tokens.map(({ token, subdomains }) => ({ digest: digestOf(token), subdomains }));
  return {
    mode: "static",
    async authenticate({ token }) {
      // Digests of one length, compared in constant time, all of them: the time tells nothing about a token.
      const digest = sha256(token);
      const matching = known.filter((entry) => timingSafeEqual(entry.digest, digest));
      if (matching.length === 0) return { refused: "invalid token" };
      return { allowed: matching.flatMap((entry) => entry.subdomains) };
    },
  };
}
