import { type RefusalCode, type RelayErrorCode, type StreamReset, TunnelError } from "mcp-tunnel-protocol";
import type { Refusal } from "./refusal.js";

/**
 * Every error that the relay answers in a tunnel's place. An error that concerns a tunnel is never a 404, 400
 * or 405: MCP clients take these for the server's own answer, and start a new session or fall back to an old
 * transport.
 */
export const relayErrors = {
  missing_host: {
    status: 400,
    text: "missing host header",
    advice: "The request has to say which host name it is for.",
  },
  invalid_host: {
    status: 400,
    text: "invalid host header",
    advice: "The request has to name one host, in one way.",
  },
  invalid_target: {
    status: 400,
    text: "invalid request target",
    advice: "The request has to be for a path or for an http URL.",
  },
  invalid_framing: {
    status: 400,
    text: "ambiguous message framing",
    advice: "It is not clear where the request ends, so that another reader might see two.",
  },
  unsupported_version: {
    status: 505,
    text: "HTTP version not supported",
    advice: "This relay speaks HTTP/1.1 and, with TLS, HTTP/2.",
  },
  url_too_long: {
    status: 414,
    text: "request target too long",
    advice: "The address is longer than this relay allows.",
  },
  headers_too_large: {
    status: 431,
    text: "too many header fields",
    advice: "The request has more header fields than this relay allows; often it is cookies that pile up.",
  },
  too_many_requests: {
    status: 429,
    text: "too many requests from this address",
    advice: "So many requests are open from your address that this one has to wait for another to end.",
    retryAfterS: 1,
  },
  request_timeout: {
    status: 408,
    text: "request body stopped coming",
    advice: "The request announced more than it sent, and this relay waits only so long.",
  },
  unserved_host: {
    status: 421,
    text: "this relay does not serve this host name",
    advice:
      "The name leads here, but it is neither the relay's domain nor one label below it. Look for a mistake in it.",
  },
  registration_needs_websocket: {
    status: 426,
    text: "tunnel registration needs a WebSocket",
    advice: "This address is for tunnel clients: give the relay's own address to mcp-tunnel-client.",
  },
  upgrade_with_body: {
    status: 501,
    text: "an upgrade request may not have a body",
    advice: "A WebSocket over HTTP/2 has no Content-Length: what follows its head is WebSocket.",
  },
  request_too_large: {
    status: 413,
    text: "request body too large",
    advice: "The request is larger than this relay allows.",
  },
  tunnel_not_found: {
    status: 502,
    text: "tunnel not found",
    advice:
      "No client is connected under this name. If it is yours, start mcp-tunnel-client on the machine of your service.",
    retryAfterS: 5,
  },
  tunnel_disconnected: {
    status: 502,
    text: "tunnel disconnected",
    advice: "The tunnel's client has just gone away. Often it is back within seconds.",
    retryAfterS: 5,
  },
  tunnel_dropped_request: {
    status: 502,
    text: "tunnel dropped request",
    advice: "The tunnel's client went away while it was at work on the request.",
  },
  tunnel_overloaded: {
    status: 503,
    text: "tunnel overloaded",
    advice: "More requests are open than this tunnel takes at the same time.",
    retryAfterS: 1,
  },
  tunnel_rate_limited: {
    status: 429,
    text: "too many requests to this tunnel",
    advice: "The owner of this tunnel may have only so many requests a second. Try again in a moment.",
    retryAfterS: 1,
  },
  tunnel_reconnecting: {
    status: 503,
    text: "tunnel reconnecting",
    advice: "The tunnel's client has lost its connection and has not come back yet.",
    retryAfterS: 5,
  },
  tunnel_draining: {
    status: 503,
    text: "tunnel draining",
    advice: "This relay is shutting down, perhaps to make room for a new version of it.",
    retryAfterS: 1,
  },
  tunnel_timeout: {
    status: 504,
    text: "tunnel timeout",
    advice: "The service behind the tunnel has not begun to answer in time.",
  },
  response_too_large: {
    status: 502,
    text: "tunnel response body too large",
    advice: "The service's answer is larger than this relay allows.",
  },
  invalid_response: {
    status: 502,
    text: "invalid response",
    advice: "The service's answer is not valid HTTP.",
  },
  upstream_error: {
    status: 502,
    text: "upstream error",
    advice:
      "The tunnel is up, but the service behind it cannot be reached or broke off. If it is yours: is it running, at the " +
      "port that mcp-tunnel-client was given?",
    retryAfterS: 5,
  },
  internal_error: {
    status: 502,
    text: "relay error",
    advice: "The relay made a mistake; its log says more.",
  },
} as const satisfies Record<RelayErrorCode, RelayError>;

interface RelayError {
  status: number;
  /** The original's words, if it has this error, because programs may look for them. */
  text: string;
  /** For a person in front of a browser. */
  advice: string;
  /** When it may be worth trying again, in seconds. */
  retryAfterS?: number;
}

/** One of the relay's own answers. */
export interface RelayRefusal extends Refusal {
  readonly code: RelayErrorCode;
  readonly advice: string;
}

const refusals = Object.fromEntries(
  Object.entries<RelayError>(relayErrors).map(([code, { status, text, advice, retryAfterS }]) => {
    const fields = retryAfterS === undefined ? {} : { fields: ["Retry-After", String(retryAfterS)] };
    return [code, { status, code, text, advice, ...fields }];
  }),
) as unknown as Readonly<Record<RelayErrorCode, RelayRefusal>>;

export function relayError(code: RelayErrorCode): RelayRefusal {
  return refusals[code];
}

/** The code by which a tunnel's client knows a refusal: `other` for one that is not the relay's own. */
export function refusalCodeOf({ code }: Refusal): RefusalCode {
  return Object.hasOwn(refusals, code) ? (code as RelayErrorCode) : "other";
}

/** Why no stream could be opened, as the visitor is told. */
export function errorOfOpen(error: unknown): RelayErrorCode {
  if (!(error instanceof TunnelError)) return "internal_error";
  switch (error.code) {
    case "overloaded":
      return "tunnel_overloaded";
    case "rate_limited":
      return "tunnel_rate_limited";
    case "head_too_large":
      return "headers_too_large";
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
