import { hash } from "node:crypto";
import { isPattern } from "mcp-tunnel-protocol";
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

const entry = z
  .strictObject({
    sha256: digest,
    subdomains: z.array(pattern, { error: "needs a list of subdomain patterns" }).min(1, "is empty"),
    note: z.string().max(256).optional(),
    expires: expiry.optional(),
    limits: z.strictObject({ maxTunnels: z.int().min(1).optional() }).optional(),
  })
  .transform(
    (read): TokenEntry => ({
      sha256: read.sha256,
      subdomains: read.subdomains,
      note: read.note,
      expiresAt: read.expires,
      maxTunnels: read.limits?.maxTunnels,
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
    for (const [i, { sha256 }] of (tokens ?? []).entries()) {
      if (seen.has(sha256)) {
        context.addIssue({ code: "custom", path: ["tokens", i, "sha256"], message: "is listed twice" });
      }
      seen.add(sha256);
    }
    return tokens ?? [];
  });

/** Reads the text of a token file, YAML or JSON. The problems name no digest and no token. */
export function parseTokenList(text: string): { value: TokenEntry[] } | { problems: Problem[] } {
  return new YamlFile(text).read(tokenList);
}

/** The digest of a token, as token files hold it. */
export function tokenDigest(token: string): string {
  return hash("sha256", token, "hex");
}

/** The name of a token for people and in logs. */
export function tokenId(sha256: string): string {
  return sha256.slice(0, 12);
}
