import { headerValue, mayBeJsonRpc } from "mcp-tunnel-protocol";
import { placeOf, type Captured } from "../captured.js";
import type { Sessions } from "./sessions.js";

/** Requests whose answers tell of a session what outlives the exchange. */
const lastingMethods: ReadonlySet<string> = new Set(["initialize", "tools/list", "server/discover"]);
/** How their names end in a JSON text. Some programs write a slash as `\/`. */
const lastingMarks = ['initialize"', '/list"', '/discover"'];

/**
 * Whether the reading of an exchange can wait until somebody looks, and is not missed if the exchange has
 * left the ring by then. `sessions`: those that are known.
 */
export function canWait(sessions: Sessions, entry: Captured): boolean {
  const { mcp: read, head } = entry;
  if (head.method === "GET") {
    if (read === undefined) return headerValue(head.headers, "mcp-session-id") !== undefined;
  } else if (!mayBeJsonRpc(head.method, head.headers)) return false;
  // What comes on the stream of the transport HTTP with SSE (MCP 2024-11-05) belongs to other exchanges. So
  // that stream and the requests are read as they come.
  if (read === undefined)
    return sessions.atEndpoint(placeOf(entry, head.path)) === undefined && !isLasting(entry);
  if (sessions.get(read.session)?.isAnsweredElsewhere === true) return false;
  return !read.calls.some(({ method }) => lastingMethods.has(method));
}

/** Whether a request that was not read yet may be one of those that last. A packed one may. */
function isLasting({ head, requestBody }: Captured): boolean {
  if (headerValue(head.headers, "content-encoding") !== undefined) return true;
  return lastingMarks.some((mark) => requestBody.includes(mark));
}
