import type { RelayErrorCode, ResetCode } from "mcp-tunnel-protocol";
import type { LimitName, Limits } from "../../limits.js";

/** Something wrong with an exchange on this side of its tunnel, in the words for each party. */
export interface Fault {
  /** For the visitor, the observers and the client: the relay's answer, or why it has cut an answer. */
  readonly code: RelayErrorCode | "visitor_stalled";
  /** For the observers, and for the client with the reset. */
  readonly reason: string;
  /** The code with which the stream is reset. */
  readonly reset: ResetCode;
  /** The limit that was reached, for the client. `hit`: its name for the observers. */
  readonly limit?: keyof Limits;
  readonly hit?: LimitName;
}

const requestTooLarge: Fault = {
  code: "request_too_large",
  reason: "the request body is over the relay's limit",
  reset: "body_too_large",
  limit: "maxRequestBodyBytes",
  hit: "request_body",
};

const requestStopped: Fault = {
  code: "request_timeout",
  reason: "the visitor stopped sending",
  reset: "cancelled",
  limit: "bodyTimeoutMs",
  hit: "body_time",
};

const requestStalled: Fault = {
  code: "tunnel_timeout",
  reason: "the tunnel takes no more of what the visitor sends",
  reset: "upstream_timeout",
  limit: "responseTimeoutMs",
  hit: "response_time",
};

const noResponse: Fault = {
  ...requestStalled,
  reason: "no response began within the relay's time limit",
};

const responseTooLarge: Fault = {
  code: "response_too_large",
  reason: "the response body is over the relay's limit",
  reset: "body_too_large",
  limit: "maxResponseBodyBytes",
  hit: "response_body",
};

const visitorStalled: Fault = {
  code: "visitor_stalled",
  reason: "the visitor takes nothing",
  reset: "cancelled",
  limit: "writeTimeoutMs",
  hit: "write_time",
};

export const faults = {
  requestTooLarge,
  requestStopped,
  requestStalled,
  noResponse,
  responseTooLarge,
  responseDeclaredTooLarge: {
    ...responseTooLarge,
    reason: "the declared response length is over the relay's limit",
  },
  visitorStalled,
  invalidHead: invalidResponse("the response head is not valid HTTP"),
  invalidSwitch: invalidResponse("a 101 that was not asked for, or is not valid HTTP"),
  bodyTooLong: invalidResponse("the body is longer than its Content-Length"),
  bodyTooShort: invalidResponse("the body is shorter than its Content-Length"),
  internal: { code: "internal_error", reason: "a fault in the relay", reset: "cancelled" },
} as const satisfies Record<string, Fault>;

function invalidResponse(reason: string): Fault {
  return { code: "invalid_response", reason, reset: "bad_message" };
}
