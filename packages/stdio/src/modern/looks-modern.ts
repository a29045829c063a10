import { metaOf, type Message } from "../message.js";
import { protocolVersionKey } from "./meta-keys.js";

/** The first revision in which requests stand alone. */
export const firstModernVersion = "2026-07-28";

/** Revisions are named by dates, and compare as such. */
export function isModernVersion(version: unknown): boolean {
  return typeof version === "string" && version >= firstModernVersion;
}

/**
 * Whether a POST has to be judged by the rules of revision 2026-07-28, be it well made or not: its header
 * names that revision or a later one, or its message has the member that names one. An `initialize` without
 * the header is the handshake of the earlier revisions, unless it names a modern revision.
 */
export function looksModern(request: Request, message: Message): boolean {
  if (isModernVersion(request.headers.get("mcp-protocol-version"))) return true;
  const meta = metaOf(message);
  if (meta === undefined || !(protocolVersionKey in meta)) return false;
  return message.value["method"] !== "initialize" || isModernVersion(meta[protocolVersionKey]);
}
