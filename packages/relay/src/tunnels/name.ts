import { isName, unusable } from "mcp-tunnel-protocol";

/**
 * Names that a visitor takes for the operator's own. A pattern with a `*`, and open mode, do not grant them;
 * a token whose patterns spell one out does.
 */
export const defaultReservedNames: readonly string[] = ["admin", "api", "mail", "relay", "status", "www"];

/**
 * The name of a tunnel in the form in which it is kept, or why it cannot be had.
 * `allowed` are the patterns of the token that asks.
 */
export function admitName(
  text: string,
  allowed: readonly string[],
  reserved: ReadonlySet<string>,
): { name: string } | { refused: string } {
  const name = text.toLowerCase();
  if (!isName(name)) {
    return { refused: `subdomain '${shorten(text)}' is not valid: 1-63 letters, digits, inner hyphens` };
  }
  if (reserved.has(name) && !allowed.some((pattern) => pattern.toLowerCase() === name)) {
    return { refused: `subdomain '${name}' is reserved on this relay` };
  }
  return { name };
}

/** Keeps a close reason under its 123 bytes, the explanation at its end included. */
export function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

/**
 * The domain under which the tunnels have their names, lower case, without a final dot.
 * @throws TunnelError `invalid_option`.
 */
export function normalizeDomain(text: string): string {
  const domain = text.toLowerCase().replace(/\.$/, "");
  if (domain.length <= 190 && domain !== "" && domain.split(".").every(isName)) return domain;
  throw unusable(
    `the domain '${text}' is not usable: give a host name such as tunnel.example.com, with no scheme, port or path`,
    { options: ["domain"] },
  );
}
