import type { RawHeaders } from "mcp-tunnel-protocol";

/**
 * Fields that browsers send with the handshake of a page's WebSocket (RFC 6455 section 4.1, the drafts before
 * it, and Fetch Metadata). Pages can neither change nor leave out any of them.
 */
const pageFields = ["Origin", "Sec-WebSocket-Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"];

/** The field that shows that a request comes from a web page, even if its value is empty or `null`. */
export function webPageField(headers: RawHeaders): string | undefined {
  const names = new Set(headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()));
  return pageFields.find((field) => names.has(field.toLowerCase()));
}
