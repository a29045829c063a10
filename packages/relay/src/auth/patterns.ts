import { isPattern, listOf, matchesPattern, text } from "mcp-tunnel-protocol";

/** The shape of the patterns that a program, or an auth provider, gives for a token. */
export const patternList = listOf(
  text().refine(isPattern, "a subdomain pattern: letters, digits, hyphens and at most one '*', 63 at most"),
  "an array of subdomain patterns",
);

/** Whether any of `patterns` grants `name`, as it was written or in lower case, which the relay will use. */
export function grants(patterns: readonly string[], name: string): boolean {
  const lower = name.toLowerCase();
  return patterns.some((pattern) => matchesPattern(pattern, name) || matchesPattern(pattern, lower));
}

/** Why a tunnel is closed whose token was taken back: the reason of close code 4001. */
export const revokedReason = "token revoked";

/** Why a token does not get, or keep, the tunnel `name`: the reason of close code 4001. */
export function unauthorizedReason(name: string): string {
  return `subdomain '${name}' not authorized for this token`;
}
