/** What a user can do about an error or a refusal, by its code. */
const advice: Readonly<Record<string, string>> = {
  cancelled:
    "The visitor has gone away before the answer was complete. Hosts do so when their own time limit is over.",
  upstream_unreachable: "Is the local service running, on the port that the client was given?",
  upstream_failed: "The local service has ended the connection early. Its own log may say why.",
  upstream_timeout: "The local service has not answered in time.",
  body_too_large: "The body is larger than the tunnel takes. A larger limit is an option of the relay.",
  bad_message:
    "The local service has answered with something that is no valid HTTP. Its own log may say why.",
  refused: "The client takes no more requests at the moment.",
  overloaded: "More requests were open at once than the tunnel takes.",
  internal: "A fault of the client: its terminal has more.",
  session_lost: "The connection to the relay was lost for too long. The visitor has to ask again.",
  tunnel_disconnected: "The client was not connected then. Visitors get answers again once it is.",
  tunnel_dropped_request: "The client had been started anew. The visitor has to ask again.",
  tunnel_overloaded: "Wait for some requests to end, or raise that limit at the relay.",
  tunnel_rate_limited: "The token has only so many requests a second. The relay's operator can raise that.",
  too_many_requests: "One address asks too often. Raise that limit at the relay if it should not.",
  tunnel_reconnecting: "The client was connecting again. The visitor has to ask again.",
  tunnel_draining: "The relay was shutting down. The visitor has to ask again.",
  tunnel_timeout: "The local service took longer than the relay waits. Raise that limit at the relay.",
  request_too_large: "Send less at once, or raise that limit at the relay.",
  response_too_large: "Send less at once, or raise that limit at the relay.",
  headers_too_large: "Send less in cookies and header fields, or raise that limit at the relay.",
  url_too_long: "Send less in the query, or raise that limit at the relay.",
  request_timeout: "The visitor was too slow in sending its body.",
  visitor_stalled: "The visitor did not read what was sent to it.",
  internal_error: "The log of the relay says more.",
};

export function adviceOf(code: string): string {
  return (Object.hasOwn(advice, code) ? advice[code] : undefined) ?? "";
}
