import { isPattern, matchesPattern } from "mcp-tunnel-protocol";
import { z } from "zod";

/** What is wanted of a program, or of a service, that says what a token may have. */
export const patternList = z.array(
  z
    .string("a string")
    .refine(isPattern, "a subdomain pattern: letters, digits, hyphens and at most one '*', 63 at most"),
  "an array of subdomain patterns",
);

/** Does any of `patterns` grant `name`, as it was written or in lower case (which is what it becomes)? */
export function grants(patterns: readonly string[], name: string): boolean {
  const lower = name.toLowerCase();
  return patterns.some((pattern) => matchesPattern(pattern, name) || matchesPattern(pattern, lower));
}
