import { headerValue, isEventStreamType } from "mcp-tunnel-protocol";
import { userOf, type Captured } from "../captured.js";
import type { EntryKind, EntryState, ExchangeSummary } from "../model.js";
import { defined, type ViewContext } from "./context.js";

/** A row of the list. */
export function summaryOf(entry: Captured, { hider, mcp }: ViewContext): ExchangeSummary {
  const { over, refusal, head } = entry;
  const error = over?.error;
  return defined<ExchangeSummary>({
    id: entry.id,
    tunnel: entry.tunnel,
    kind: kindOf(entry),
    state: stateOf(entry),
    startedAt: entry.startedAt,
    method: head.method,
    path: hider.target(head.path),
    status: over?.status ?? entry.response?.status ?? refusal?.status,
    durationMs: over?.durationMs,
    waitMs: entry.headMs,
    requestBytes: over?.requestBytes ?? entry.requestBody.bytes,
    responseBytes: over?.responseBytes ?? entry.responseBody.bytes,
    error: error && { code: error.code, message: hider.text(error.message) },
    mcp: mcp.summary(entry, hider),
    user: userOf(entry),
    replayOf: entry.replayOf,
    refusal: refusal && { code: refusal.code, count: refusal.count, message: refusal.message },
  });
}

export function kindOf({ refusal, socket, head, response, events }: Captured): EntryKind {
  if (refusal !== undefined) return "refused";
  if (socket !== undefined || (head.upgrade === true && response === undefined)) return "websocket";
  const type = response && headerValue(response.headers, "content-type");
  return events !== undefined || isEventStreamType(type ?? "") ? "stream" : "http";
}

export function stateOf({ refusal, over }: Captured): EntryState {
  if (refusal !== undefined) return "failed";
  if (over === undefined) return "open";
  if (over.error === undefined) return "done";
  return over.error.code === "cancelled" ? "cancelled" : "failed";
}
