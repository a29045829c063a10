import type { Refusal, RefusalCode, RefusalLimit } from "mcp-tunnel-protocol";
import { formatBytes } from "mcp-tunnel-shared";

/**
 * Requests that the relay answered in the tunnel's name, or answers that it cut. See `refused` in
 * {@link ClientEvents}.
 */
export interface RefusedEvent extends Refusal {
  /** The reason in words. */
  readonly message: string;
}

/**
 * The reasons by code. `{limit}` stands for the option of the limit, such as `--max-request-body (5 MiB)`.
 */
const texts: Partial<Record<RefusalCode, string>> = {
  headers_too_large: "request head over {limit}",
  internal_error: "a fault in the relay, whose log says more",
  other: "for a reason that this client does not know",
  request_timeout: "no more of the request body came within {limit}",
  request_too_large: "request body over {limit}",
  response_too_large: "response body over {limit}",
  too_many_requests: "more requests at once from one address than {limit}",
  tunnel_disconnected: "this client was not connected",
  tunnel_dropped_request: "lost with an earlier session of this client",
  tunnel_overloaded: "more at once than {limit}",
  tunnel_rate_limited: "more requests a second than {limit}",
  tunnel_timeout: "no response began within {limit}",
  url_too_long: "request target over {limit}",
  visitor_stalled: "the visitor took nothing for {limit}",
};

export function refusedEvent(refusal: Refusal): RefusedEvent {
  return { ...refusal, message: textOf(refusal).replace("{limit}", limitText(refusal.limit)) };
}

function textOf({ code, limit }: Refusal): string {
  if (code === "tunnel_reconnecting") {
    return limit?.option === "hold-timeout"
      ? "waited for this client for {limit}"
      : "more requests waited for this client than {limit}";
  }
  return texts[code] ?? code.replaceAll("_", " ");
}

/** An option of the relay, with its value, such as `--max-request-body (5 MiB)`. */
export function limitText(limit: RefusalLimit | undefined): string {
  if (limit === undefined) return "what the relay takes";
  return `--${limit.option} (${valueText(limit)})`;
}

function valueText({ value, unit }: RefusalLimit): string {
  switch (unit) {
    case "bytes":
      // A limit is shown exactly: 2000 bytes are not 2.0 KiB.
      return value % 1_024 === 0 ? formatBytes(value) : `${value} B`;
    case "ms":
      return value > 60_000 && value % 60_000 === 0 ? `${value / 60_000} min` : `${value / 1_000} s`;
    case "count":
      return String(value);
  }
}
