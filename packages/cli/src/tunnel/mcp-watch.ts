import { headerValue } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import type { RequestLine } from "mcp-tunnel-inspector/lines";
import type { FoundMcp } from "../render/mcp-addresses.js";

/** The first requests of visitors, of both eras of MCP. */
const beginnings: ReadonlySet<string> = new Set(["initialize", "server/discover"]);

/** A longer path is no place to show. */
const maxPathLength = 200;

/**
 * Takes the requests that are over, and calls `onFound` once, when an MCP server has answered a visitor's
 * first request well. It looks only at requests that come anyway.
 */
export function watchForMcp(onFound: (found: FoundMcp) => void): (line: RequestLine) => void {
  let isFound = false;
  return (line) => {
    if (isFound || !isBeginning(line)) return;
    isFound = true;
    const hasProof = headerValue(line.headers, "authorization") !== undefined;
    onFound({ path: withoutQuery(line.path), hasProof });
  };
}

function isBeginning({ mcp, path, status = 0, error }: RequestLine): boolean {
  if (mcp === undefined || !beginnings.has(mcp.method) || path.length > maxPathLength) return false;
  return mcp.error === undefined && error === undefined && status >= 200 && status <= 299;
}
