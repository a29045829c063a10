import { isToken, listValues, type RawHeaders } from "./headers.js";

/**
 * Protocols in which HTTP goes on: HTTP/2 in the clear, also by the names of its drafts, TLS (RFC 2817), and
 * what calls itself HTTP. Over a tunnel they would be a connection to the service on which requests are seen
 * by nobody between, with addresses of the visitor's own making (Bishop Fox, "h2c smuggling").
 */
const hidesRequests = /^(?:h2c?|http|tls)(?:[-/]|$)/i;

/**
 * Returns what of an `Upgrade` field a tunnel may carry, in its order; empty if there is nothing
 * (PROTOCOL.md, "Heads and trailers"). An offer to upgrade is no demand, and may be ignored (RFC 9110 section
 * 7.8).
 */
export function carriedProtocols(headers: RawHeaders): string {
  const offered = listValues(headers, "upgrade");
  return offered.filter((protocol) => isProtocol(protocol) && !hidesRequests.test(protocol)).join(", ");
}

/**
 * RFC 9110 section 7.8: `protocol-name ["/" protocol-version]`. What is none (`x h2c`, `"h2c"`, `h2c;q=1`) may be one to a service
 * that reads less strictly.
 */
function isProtocol(offered: string): boolean {
  const [name = "", version = "1", ...more] = offered.split("/");
  return more.length === 0 && isToken(name) && isToken(version);
}
