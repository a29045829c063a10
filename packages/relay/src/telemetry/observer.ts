import type { RawHeaders, RefusalCode, ResetCode, Wire } from "mcp-tunnel-protocol";
import type { LimitName } from "../limits.js";

/** How an exchange ended. */
export type ExchangeOutcome = (typeof exchangeOutcomes)[number];

export const exchangeOutcomes = [
  /** The visitor got a whole answer from the tunnel. */
  "completed",
  /** The relay answered in the tunnel's place; `code` is that of the error. */
  "refused",
  /** The visitor went away before the answer was whole. */
  "cancelled",
  /** The answer was cut off; `code` and `detail` say why. */
  "cut",
] as const;

/** Why an exchange did not end well, in words of the relay or of a client. */
export type ExchangeCode = RefusalCode | ResetCode;

/** One request and what became of it. Its texts are as strangers said them: escape control characters before you print them. */
export interface ExchangeRecord {
  /** The name of the tunnel; `undefined` when the Host named none. */
  name: string | undefined;
  /** Where the visitor is, as far as it can be believed. */
  address: string;
  method: string;
  /** The path without the query, which may hold secrets. */
  path: string;
  /** The status sent; `undefined` when none was. */
  status: number | undefined;
  /** Body bytes received from the visitor. After an upgrade, upgraded ones too. */
  requestBytes: number;
  /** Body bytes sent to the visitor. After an upgrade, upgraded ones too. */
  responseBytes: number;
  durationMs: number;
  outcome: ExchangeOutcome;
  /**
   * Why it was refused, or cut: the relay's error, the code of a judge of one's own, or what the client reset the
   * stream with. `undefined` for the other outcomes.
   */
  code: ExchangeCode | (string & {}) | undefined;
  /** What is known beside the code, in words; perhaps the client's. */
  detail: string | undefined;
  wire: Wire | undefined;
  /**
   * The relay's id of the request, which its own answers show. The local service got it as `X-Request-Id`,
   * unless there is a `visitorRequestId`. `undefined` when the Host named no tunnel.
   */
  requestId: string | undefined;
  /** The visitor's own `X-Request-Id`, which the local service got: up to 255 visible ASCII characters. */
  visitorRequestId: string | undefined;
  /** `1.1`, `2.0`. */
  httpVersion: string;
  /** The request's fields as received. They hold secrets: write out none but chosen ones. */
  headers: RawHeaders;
}

/** Bodies that went through, in bytes; after an upgrade, what was upgraded to as well. */
export interface Traffic {
  /** From visitors. */
  requestBytes: number;
  /** To visitors. */
  responseBytes: number;
}

/** What happens to tunnels. */
export type TunnelEvent = (typeof tunnelEvents)[number];

export const tunnelEvents = [
  /** A client has a name. */
  "registered",
  /** A client was turned away: its token, its name, a limit, or because it was a web page. */
  "refused",
  /** The connection of a resumable tunnel is lost. */
  "away",
  /** The client is back, and everything that was open goes on. */
  "resumed",
  /** The client of a tunnel that was away did not come back in time. */
  "lost",
  /** Another client took the name. */
  "evicted",
  /** The token was revoked, expired or lost the name. */
  "revoked",
  /** A tunnel is over, for whichever reason. */
  "closed",
] as const;

/** Whoever wants to know what the relay does: access log, metrics. What it throws is logged and has no other effect. */
export interface RelayObserver {
  /** Called once for each request that arrived whole, when it is over. */
  onEnd(exchange: ExchangeRecord): void;
  onTunnelEvent?(event: TunnelEvent): void;
  /** A limit took effect. */
  onLimit?(limit: LimitName): void;
}
