import { headerValue } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import type { Captured } from "../captured.js";
import type { McpView } from "../mcp/view.js";
import type { Era } from "../model.js";
import { readMessages } from "../rpc.js";
import type { RpcMessage } from "../rpc.js";

/** What replays need to know of MCP. */
export type McpSource = Pick<McpView, "era" | "initializeOf" | "sessions" | "summary" | "tool">;

/** The era in which an entry was sent. Undefined if it is no part of MCP, or of its oldest transport. */
export function eraOf(entry: Captured, mcp: McpSource): Era | undefined {
  const era = mcp.era(entry);
  const isNamed = headerValue(entry.head.headers, "mcp-session-id") !== undefined;
  if (isNamed && (era !== undefined || isEndpoint(entry, entry.head.path, mcp))) return "legacy";
  return era;
}

/**
 * Whether a server of MCP has answered at this path of the entry's tunnel. A visitor can give any request the
 * looks of MCP: to begin a session there would be a POST that its path has never had, and its `ping` may
 * order something.
 */
export function isEndpoint({ tunnel }: Captured, target: string, mcp: McpSource): boolean {
  const path = withoutQuery(target);
  return mcp
    .sessions()
    .some((known) => known.path === path && known.tunnel === tunnel && (known.server ?? known.tools));
}

/**
 * Whether a request was answered on an event stream of another exchange: the transport HTTP with SSE of
 * revision 2024-11-05. A later server never says 202 to a request.
 */
export function isOfOldTransport(entry: Captured, mcp: McpSource): boolean {
  if (entry.response?.status !== 202 || eraOf(entry, mcp) !== "legacy") return false;
  return messagesOf(entry.head.headers, entry.requestBody.bufferOf()).some(({ kind }) => kind === "request");
}

/** The messages of MCP in a body: none if it is packed, or something else. */
export function messagesOf(headers: readonly string[], body: Buffer): RpcMessage[] {
  return headerValue(headers, "content-encoding") === undefined ? readMessages(body.toString()) : [];
}
