import { type StreamReset, TunnelError } from "mcp-tunnel-protocol";

/**
 * Everything that the relay answers in a tunnel's place. The texts are the original's where it has one. None
 * of those that concern a tunnel is a 404, 400 or 405: MCP clients take these for the server's own word and
 * start a new session or fall back to an old transport.
 */
export const relayErrors = {
  missing_host: { status: 400, text: "missing host header" },
  invalid_host: { status: 400, text: "invalid host header" },
  invalid_target: { status: 400, text: "invalid request target" },
  unserved_host: { status: 421, text: "this relay does not serve this host name" },
  registration_needs_websocket: { status: 426, text: "tunnel registration needs a WebSocket" },
  upgrade_with_body: { status: 501, text: "an upgrade request may not have a body" },
  request_too_large: { status: 413, text: "request body too large" },
  tunnel_not_found: { status: 502, text: "tunnel not found", retryAfterS: 5 },
  tunnel_disconnected: { status: 502, text: "tunnel disconnected", retryAfterS: 5 },
  tunnel_dropped_request: { status: 502, text: "tunnel dropped request" },
  tunnel_overloaded: { status: 503, text: "tunnel overloaded", retryAfterS: 1 },
  tunnel_reconnecting: { status: 503, text: "tunnel reconnecting", retryAfterS: 5 },
  tunnel_draining: { status: 503, text: "tunnel draining", retryAfterS: 1 },
  tunnel_timeout: { status: 504, text: "tunnel timeout" },
  response_too_large: { status: 502, text: "tunnel response body too large" },
  invalid_response: { status: 502, text: "invalid response" },
  upstream_error: { status: 502, text: "upstream error", retryAfterS: 5 },
  internal_error: { status: 502, text: "relay error" },
} as const satisfies Record<string, RelayError>;

interface RelayError {
  status: number;
  text: string;
  /** When it may be worth trying again, in seconds. */
  retryAfterS?: number;
}

export type RelayErrorCode = keyof typeof relayErrors;

export function relayError(code: RelayErrorCode): RelayError {
  return relayErrors[code];
}

/** Why no stream could be opened, as the visitor is told. */
export function errorOfOpen(error: unknown): RelayErrorCode {
  if (!(error instanceof TunnelError)) return "internal_error";
  switch (error.code) {
    case "overloaded":
      return "tunnel_overloaded";
    case "draining":
      return "tunnel_draining";
    case "session_closed":
    case "session_lost":
      return "tunnel_disconnected";
    default:
      return "internal_error";
  }
}

/** Why a stream was cut before its response head, as the visitor is told. */
export function errorOfReset(reason: StreamReset): RelayErrorCode {
  switch (reason.code) {
    case "upstream_unreachable":
    case "upstream_failed":
      return "upstream_error";
    case "upstream_timeout":
      return "tunnel_timeout";
    case "body_too_large":
      return "response_too_large";
    case "bad_message":
      return "invalid_response";
    case "overloaded":
      return "tunnel_overloaded";
    case "internal":
      return "internal_error";
    case "no_error":
    case "cancelled":
    case "refused":
    case "session_lost":
      return "tunnel_dropped_request";
  }
}
