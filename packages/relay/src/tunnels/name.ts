import { isName, unusable } from "mcp-tunnel-protocol";

/**
 * Names that a visitor takes for the operator's own. Neither a pattern with a `*` nor open mode grants such a
 * name. A token grants it if one of its patterns spells it out.
 */
export const defaultReservedNames: readonly string[] = ["admin", "api", "mail", "relay", "status", "www"];

/**
 * The name of a tunnel in the form in which the relay keeps it, or the reason why the client cannot have it.
 * `allowed` are the patterns of the client's token.
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

/** Shortens a name that a client sent, so that the close reason around it fits into 123 bytes. */
export function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

/**
 * The domain below which the tunnels have their names, in lower case and without a final dot.
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
