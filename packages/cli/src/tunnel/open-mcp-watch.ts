import { headerValue } from "mcp-tunnel-protocol";
import type { RequestLine } from "mcp-tunnel-inspector/lines";

/** Fields by which a visitor may prove who he is. A service that is asked with one may have looked at it. */
const proofs = ["authorization", "x-api-key", "cookie"];

/** Code and text of the warning. */
export const openMcpWarning = [
  "open_mcp_server",
  "tools/list was answered without authentication: everybody who knows or guesses the URL can use this MCP " +
    "server with your rights. --visitor-auth oauth,bearer (or bearer, where the relay has no https) lets in " +
    "those whom you allow; --visitor-auth none says that you mean it",
] as const;

/**
 * Takes the requests that are over, and calls `onOpen` once, when a visitor without any proof has been told
 * the tools of an MCP server. It looks only at requests that come anyway.
 */
export function watchForOpenMcp(onOpen: () => void): (line: RequestLine) => void {
  let isFound = false;
  return (line) => {
    if (isFound || !isOpen(line)) return;
    isFound = true;
    onOpen();
  };
}

function isOpen({ mcp, status = 0, headers }: RequestLine): boolean {
  if (mcp?.method !== "tools/list" || mcp.error !== undefined || status < 200 || status > 299) return false;
  return proofs.every((name) => headerValue(headers, name) === undefined);
}
