/** The longest name of a tunnel, in characters: that of a DNS label (RFC 1035 section 2.3.4). */
export const maxNameLength = 63;

/** A DNS label (RFC 1123 section 2.1): 1 to 63 letters, digits and inner hyphens. Lower case only. */
export function isName(text: string): boolean {
  return text.length <= maxNameLength && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text);
}

/**
 * Whether `text` is a pattern that grants names: letters, digits, hyphens and at most one `*`. The `*` stands
 * for any run of characters, the empty one included. A pattern that is longer than a name could never match.
 */
export function isPattern(text: string): boolean {
  return text.length <= maxNameLength && /^[a-z0-9-]*(?:\*[a-z0-9-]*|[a-z0-9-])$/i.test(text);
}

/** Whether `pattern` grants `name`. Case counts, as in the original. */
export function matchesPattern(pattern: string, name: string): boolean {
  const star = pattern.indexOf("*");
  if (star === -1) return name === pattern;
  const prefix = pattern.slice(0, star);
  const suffix = pattern.slice(star + 1);
  // The length keeps prefix and suffix from overlapping: `pr-*-corp` does not grant `pr-corp`.
  return name.length >= prefix.length + suffix.length && name.startsWith(prefix) && name.endsWith(suffix);
}
