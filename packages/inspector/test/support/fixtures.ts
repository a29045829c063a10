import type {
  Body,
  ExchangeDetail,
  ExchangeSummary,
  InspectorState,
  McpSession,
  MessageDetail,
} from "mcp-tunnel-inspector/model";

/** When the first fixture began. */
export const startedAt = Date.UTC(2026, 6, 28, 12, 0, 0);

export function stateOf(changes: Partial<InspectorState> = {}): InspectorState {
  return {
    version: "0.1.0",
    service: "http://127.0.0.1:3000",
    url: "https://calm-otter.tunnel.example",
    connection: "online",
    paused: false,
    startedAt,
    kept: { exchanges: 0, bytes: 0, maxExchanges: 2_000, maxBytes: 64 * 1_024 * 1_024 },
    missed: { exchanges: 0, bodies: 0 },
    ...changes,
  };
}

/** A GET that was answered by 200, a second after that of the id before. */
export function summaryOf(id: number, changes: Partial<ExchangeSummary> = {}): ExchangeSummary {
  return {
    id,
    kind: "http",
    state: "done",
    startedAt: startedAt + id * 1_000,
    method: "GET",
    path: `/items/${id}`,
    status: 200,
    durationMs: 12,
    waitMs: 10,
    requestBytes: 0,
    responseBytes: 1_234,
    ...changes,
  };
}

export function detailOf(
  summary: ExchangeSummary,
  changes: Partial<Omit<ExchangeDetail, keyof ExchangeSummary>> = {},
): ExchangeDetail {
  return {
    ...summary,
    visitor: "203.0.113.7",
    request: messageOf({ form: "none" }, [
      ["host", "calm-otter.tunnel.example"],
      ["user-agent", "curl/8.14.1"],
    ]),
    interim: [],
    ...(summary.status !== undefined && {
      response: {
        status: summary.status,
        ...messageOf(textOf('{"ok":true}', true), [["content-type", "application/json"]]),
      },
    }),
    timing: { requestEndMs: 1, headMs: 10, firstByteMs: 11, endMs: 12 },
    hidden: 0,
    calls: [],
    ...changes,
  };
}

export function messageOf(
  body: Body,
  headers: MessageDetail["headers"],
  trailers: MessageDetail["trailers"] = [],
): MessageDetail {
  return { headers, trailers, body };
}

export function textOf(text: string, json = false): Body {
  const bytes = Buffer.byteLength(text);
  return { form: "text", text, json, bytes, kept: bytes };
}

export function sessionOf(key: string, changes: Partial<McpSession> = {}): McpSession {
  return {
    key,
    era: "legacy",
    path: "/mcp",
    id: `0d9f-${key}`,
    client: { name: "claude-ai", version: "1.0.0" },
    server: { name: "everything", version: "2.0.0" },
    protocolVersion: "2025-11-25",
    startedAt,
    lastAt: startedAt + 5_000,
    calls: 3,
    errors: 0,
    open: 0,
    ...changes,
  };
}
