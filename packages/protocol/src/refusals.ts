export const relayErrorCodes = [
  "missing_host",
  "invalid_host",
  "invalid_target",
  "invalid_framing",
  "unsupported_version",
  "url_too_long",
  "headers_too_large",
  "too_many_requests",
  "request_timeout",
  "unserved_host",
  "registration_needs_websocket",
  "upgrade_with_body",
  "request_too_large",
  "tunnel_not_found",
  "tunnel_disconnected",
  "tunnel_dropped_request",
  "tunnel_overloaded",
  "tunnel_rate_limited",
  "tunnel_reconnecting",
  "tunnel_draining",
  "tunnel_timeout",
  "response_too_large",
  "invalid_response",
  "upstream_error",
  "internal_error",
] as const;

/**
 * Codes of the answers that a relay gives in a tunnel's place. A visitor finds the code in `X-Tunnel-Error`,
 * a client in REFUSED (PROTOCOL.md, "Refusals"). The codes of answers that concern no tunnel belong to the
 * same enumeration.
 *
 * @useDeclaredType
 */
export type RelayErrorCode = (typeof relayErrorCodes)[number];

export const refusalCodes = [...relayErrorCodes, "visitor_stalled", "other"] as const;

/**
 * The codes of {@link RelayErrorCode} and two more. `visitor_stalled`: the relay cut the answer because the
 * visitor took nothing. `other`: a code of a newer relay.
 *
 * @useDeclaredType
 */
export type RefusalCode = (typeof refusalCodes)[number];

/** The option of the relay whose limit was the reason of a refusal. */
export interface RefusalLimit {
  /** The name as on the relay's command line, without the hyphens before it: `max-request-body`. */
  readonly option: string;
  /** The limit itself. */
  readonly value: number;
  /** What the limit counts. */
  readonly unit: "bytes" | "count" | "ms";
}

/**
 * Answers that a relay has given, or cut, in a tunnel's name. All of them have the same code, status and
 * limit.
 */
export interface Refusal {
  /** The `X-Tunnel-Error` that visitors got, or one of the two that {@link RefusalCode} adds. */
  readonly code: RefusalCode;
  /** The status that visitors got; undefined when an answer was cut after its head. */
  readonly status: number | undefined;
  /** Number of answers of this kind since the client was last told of the kind. */
  readonly count: number;
  /** The method of the first of these requests, cut at 16 characters; empty when it is not known. */
  readonly method: string;
  /**
   * The path of the first of these requests, cut at 200 characters; empty when it is not known. The query is
   * left out because it may hold secrets.
   */
  readonly path: string;
  /** The limit that was reached; undefined when there was none. */
  readonly limit: RefusalLimit | undefined;
}

export const maxMethodBytes = 16;
export const maxPathBytes = 200;

/**
 * Returns a visitor's text in visible ASCII, cut at `maxBytes`. The result is a copy because a slice would
 * keep the whole text in memory.
 */
export function legible(text: string, maxBytes: number): string {
  const cut = text.length > maxBytes ? `${text.slice(0, maxBytes - 3)}...` : text;
  return Buffer.from(cut.replace(/[^!-~]/g, "?"), "latin1").toString("latin1");
}

/** The most kinds in one REFUSED. Hardly as many combinations of code, status and limit exist. */
export const maxRefusalKinds = 32;
export const maxRefusalCount = 999_999_999;
