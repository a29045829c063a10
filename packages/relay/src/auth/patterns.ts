import { z } from "zod";

/**
 * A pattern grants names: letters, digits, hyphens and at most one `*`, which stands for any run of
 * characters, the empty one included. Longer than a DNS label it could never match.
 */
export function isPattern(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9-]*(?:\*[a-z0-9-]*|[a-z0-9-])$/i.test(text);
}

/** What is wanted of a program, or of a service, that says what a token may have. */
export const patternList = z.array(
  z
    .string("a string")
    .refine(isPattern, "a subdomain pattern: letters, digits, hyphens and at most one '*', 63 at most"),
  "an array of subdomain patterns",
);

/** Does `pattern` grant `name`? Case counts, as in the original. */
export function matchesPattern(pattern: string, name: string): boolean {
  const star = pattern.indexOf("*");
  if (star === -1) return name === pattern;
  const prefix = pattern.slice(0, star);
  const suffix = pattern.slice(star + 1);
  // The length keeps prefix and suffix from overlapping: `pr-*-corp` does not grant `pr-corp`.
  return name.length >= prefix.length + suffix.length && name.startsWith(prefix) && name.endsWith(suffix);
}

/** Does any of `patterns` grant `name`, as it was written or in lower case (which is what it becomes)? */
export function grants(patterns: readonly string[], name: string): boolean {
  const lower = name.toLowerCase();
  return patterns.some((pattern) => matchesPattern(pattern, name) || matchesPattern(pattern, lower));
}
