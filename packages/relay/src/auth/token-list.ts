import { hash } from "node:crypto";
import { isPattern } from "mcp-tunnel-protocol";
import { parseBytes } from "mcp-tunnel-shared";
import { z } from "zod";
import { type Problem, YamlFile } from "mcp-tunnel-config";
import { parseExpiry } from "./expiry.js";

/** One token of a token file, which knows it by its digest. */
export interface TokenEntry {
  /** SHA-256 of the token, 64 lower case hex digits. */
  sha256: string;
  subdomains: readonly string[];
  note: string | undefined;
  /** Milliseconds since 1970. */
  expiresAt: number | undefined;
  maxTunnels: number | undefined;
  maxRequestsPerSecond: number | undefined;
  maxBytesPerSecond: number | undefined;
  /** The secret that this one has replaced, and until when it is good, in milliseconds since 1970. */
  previous: { readonly sha256: string; readonly until: number } | undefined;
}

const digest = z
  .string({ error: "needs the SHA-256 of the token, as a string" })
  .regex(/^[0-9a-f]{64}$/i, "is not a SHA-256 digest: 64 hex digits")
  .transform((text) => text.toLowerCase());

const pattern = z
  .string({ error: "is not a string; names that look like numbers need quotes" })
  .refine(isPattern, "is not a subdomain pattern: letters, digits, hyphens and at most one '*', 63 at most");

const expiry = z.string({ error: "is not a date" }).transform((text, context) => {
  const time = parseExpiry(text);
  if (time !== undefined) return time;
  context.addIssue("is not a date such as 2027-01-31 or 2027-01-31T18:00:00Z");
  return z.NEVER;
});

const noSize = "is not a size above 0, such as 1MiB or 1048576";

const size = z.union([z.number(), z.string()], { error: noSize }).transform((given, context) => {
  const bytes = parseBytes(String(given));
  if (bytes !== undefined && bytes > 0) return bytes;
  context.addIssue(noSize);
  return z.NEVER;
});

const count = z.int().min(1);

const entry = z
  .strictObject({
    sha256: digest,
    subdomains: z.array(pattern, { error: "needs a list of subdomain patterns" }).min(1, "is empty"),
    note: z.string().max(256).optional(),
    expires: expiry.optional(),
    limits: z
      .strictObject({
        maxTunnels: count.optional(),
        maxRequestsPerSecond: count.optional(),
        maxBytesPerSecond: size.optional(),
      })
      .optional(),
    previous: z.strictObject({ sha256: digest, until: expiry }).optional(),
  })
  .transform(
    (read): TokenEntry => ({
      sha256: read.sha256,
      subdomains: read.subdomains,
      note: read.note,
      expiresAt: read.expires,
      maxTunnels: read.limits?.maxTunnels,
      maxRequestsPerSecond: read.limits?.maxRequestsPerSecond,
      maxBytesPerSecond: read.limits?.maxBytesPerSecond,
      previous: read.previous,
    }),
  );

const tokenList = z
  .strictObject(
    // `tokens:` with nothing below it means null.
    { tokens: z.array(entry, { error: "needs a list of tokens" }).nullable() },
    { error: "needs the key 'tokens' with a list of tokens" },
  )
  .transform(({ tokens }, context) => {
    const seen = new Set<string>();
    const look = (sha256: string, path: PropertyKey[]): void => {
      if (seen.has(sha256)) context.addIssue({ code: "custom", path, message: "is listed twice" });
      seen.add(sha256);
    };
    for (const [i, { sha256, previous }] of (tokens ?? []).entries()) {
      look(sha256, ["tokens", i, "sha256"]);
      if (previous !== undefined) look(previous.sha256, ["tokens", i, "previous", "sha256"]);
    }
    return tokens ?? [];
  });

/** Reads the text of a token file, YAML or JSON. The problems name no digest and no token. */
export function parseTokenList(text: string): { value: TokenEntry[] } | { problems: Problem[] } {
  return new YamlFile(text).read(tokenList);
}

/**
 * A token as it is for each of its secrets: the one that it has now, and the one that this has replaced, if
 * there is one. The old secret has the same rights until its end.
 */
export function secretsOf(token: TokenEntry): [TokenEntry, ...TokenEntry[]] {
  const { previous, expiresAt = Infinity } = token;
  const current = { ...token, previous: undefined };
  if (previous === undefined) return [current];
  const { sha256, until } = previous;
  return [current, { ...current, sha256, expiresAt: Math.min(until, expiresAt) }];
}

/** The digest of a token, as token files hold it. */
export function tokenDigest(token: string): string {
  return hash("sha256", token, "hex");
}

/** The name of a token for people and in logs. */
export function tokenId(sha256: string): string {
  return sha256.slice(0, 12);
}
