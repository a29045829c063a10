import type { Wire } from "mcp-tunnel-protocol";

/** How an exchange ended. */
export type ExchangeOutcome =
  /** The visitor got a whole answer from the tunnel. */
  | "completed"
  /** The relay answered in the tunnel's place; `reason` is the code of the error. */
  | "refused"
  /** The visitor went away before the answer was whole. */
  | "cancelled"
  /** The answer was cut off; `reason` says why. */
  | "cut";

/** One request and what became of it. */
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
  reason: string | undefined;
  wire: Wire | undefined;
}

/** Whoever wants to know about the exchanges: access log, metrics. */
export interface ExchangeObserver {
  /** Called once for each request that arrived whole, when it is over. Must not throw. */
  onEnd(exchange: ExchangeRecord): void;
}
