import { isObject } from "mcp-tunnel-shared";
import { metaOf, type RpcMessage } from "../rpc.js";

// What tells revision 2026-07-28 of MCP from those before it.

/** The revision that a message is of. */
export const protocolVersionKey = "io.modelcontextprotocol/protocolVersion";
const clientInfoKey = "io.modelcontextprotocol/clientInfo";
const clientCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
const serverInfoKey = "io.modelcontextprotocol/serverInfo";

const firstModernVersion = "2026-07-28";

/** Revisions are named by dates, and compare as such. */
function isModernVersion(version: unknown): boolean {
  return typeof version === "string" && version >= firstModernVersion;
}

/**
 * Whether a POST is of revision 2026-07-28 or a later one: its header names one, or its message has the
 * member that names one. An `initialize` is the handshake of the earlier revisions, unless it names a modern
 * one.
 */
export function isModern(version: string | undefined, { method, params }: RpcMessage): boolean {
  if (isModernVersion(version)) return true;
  const meta = metaOf(params);
  if (!Object.hasOwn(meta, protocolVersionKey)) return false;
  return method !== "initialize" || isModernVersion(meta[protocolVersionKey]);
}

/** Who sends a request, and what it is able to do: of `initialize`, or of `_meta` (MCP 2026-07-28). */
export function clientOf({ method, params }: RpcMessage): { info: unknown; capabilities: unknown } {
  const meta = metaOf(params);
  return method === "initialize"
    ? { info: params["clientInfo"], capabilities: params["capabilities"] }
    : { info: meta[clientInfoKey], capabilities: meta[clientCapabilitiesKey] };
}

/** Who has answered: of a result of `initialize`, or of `_meta` (MCP 2026-07-28). */
export function serverOf(result: Readonly<Record<string, unknown>>): unknown {
  return metaOf(result)[serverInfoKey] ?? result["serverInfo"];
}

/**
 * The requests of a server in a result that says `input_required` (MCP 2026-07-28, multi round-trip
 * requests): the client makes its request again, with the answers in it.
 */
export function inputRequestsOf({
  result,
}: RpcMessage): readonly (readonly [key: string, request: unknown])[] {
  if (result?.["resultType"] !== "input_required" || !isObject(result["inputRequests"])) return [];
  return Object.entries(result["inputRequests"]);
}

/** The answers of a client in a request that it makes again. */
export function inputResponsesOf({
  params,
}: RpcMessage): readonly (readonly [key: string, answer: unknown])[] {
  return isObject(params["inputResponses"]) ? Object.entries(params["inputResponses"]) : [];
}
