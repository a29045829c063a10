import { isToken, listValues, type RawHeaders } from "./headers.js";

/**
 * Protocols in which HTTP goes on: HTTP/2 in the clear, also under the names of its drafts, TLS (RFC 2817),
 * and every protocol that calls itself HTTP. Over a tunnel such a protocol would be a connection to the
 * service whose requests neither relay nor client sees. A visitor could write any address into them (Bishop
 * Fox, "h2c smuggling").
 */
const hidesRequests = /^(?:h2c?|http|tls)(?:[-/]|$)/i;

/**
 * Returns the protocols of an `Upgrade` field that a tunnel may carry, in their order; an empty text if there
 * are none (PROTOCOL.md, "Heads and trailers"). An offer to upgrade is no demand and may be ignored (RFC 9110
 * section 7.8).
 */
export function carriedProtocols(headers: RawHeaders): string {
  const offered = listValues(headers, "upgrade");
  return offered.filter((protocol) => isProtocol(protocol) && !hidesRequests.test(protocol)).join(", ");
}

/**
 * Whether a text is a protocol: `protocol-name ["/" protocol-version]` (RFC 9110 section 7.8). A service that
 * reads less strictly may take others for one too (`x h2c`, `"h2c"`, `h2c;q=1`).
 */
function isProtocol(offered: string): boolean {
  const [name = "", version = "1", ...more] = offered.split("/");
  return more.length === 0 && isToken(name) && isToken(version);
}
