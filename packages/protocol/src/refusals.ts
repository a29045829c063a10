/**
 * What a relay answers in a tunnel's place, as `X-Tunnel-Error` says it to the visitor and REFUSED to the
 * client (PROTOCOL.md, "Refusals"). Those that concern no tunnel are among them: it is one enumeration.
 */
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
  "tunnel_reconnecting",
  "tunnel_draining",
  "tunnel_timeout",
  "response_too_large",
  "invalid_response",
  "upstream_error",
  "internal_error",
] as const;

export type RelayErrorCode = (typeof relayErrorCodes)[number];

/** The same, and `visitor_stalled`: cut, as the visitor took nothing; `other`: a code of a newer relay. */
export const refusalCodes = [...relayErrorCodes, "visitor_stalled", "other"] as const;

export type RefusalCode = (typeof refusalCodes)[number];

/** An option of the relay, by which it refused. */
export interface RefusalLimit {
  /** As on its command line, without the hyphens before it: `max-request-body`. */
  readonly option: string;
  readonly value: number;
  readonly unit: "bytes" | "count" | "ms";
}

/** What a relay has answered, or cut, in a tunnel's name: all of one code, status and limit. */
export interface Refusal {
  /** What visitors got as `X-Tunnel-Error`, or one of the two that {@link refusalCodes} adds. */
  readonly code: RefusalCode;
  /** The status that visitors got; undefined when an answer was cut after its head. */
  readonly status: number | undefined;
  /** How many there were of this kind since it was told last. */
  readonly count: number;
  /** Of the first of them, cut at 16 characters; empty when it is not known. */
  readonly method: string;
  /**
   * Of the first of them, without the query, which may hold secrets, and cut at 200 characters; empty when it is
   * not known.
   */
  readonly path: string;
  /** What was reached; undefined when no limit was. */
  readonly limit: RefusalLimit | undefined;
}

export const maxMethodBytes = 16;
export const maxPathBytes = 200;

/** What a visitor said, cut, in visible ASCII. It is a copy, since a part of a text would keep all of it. */
export function legible(text: string, maxBytes: number): string {
  const cut = text.length > maxBytes ? `${text.slice(0, maxBytes - 3)}...` : text;
  return Buffer.from(cut.replace(/[^!-~]/g, "?"), "latin1").toString("latin1");
}

/** Of one REFUSED; there are hardly as many codes, statuses and limits that go together. */
export const maxRefusalKinds = 32;
export const maxRefusalCount = 999_999_999;
