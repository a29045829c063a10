import type { RawHeaders, RefusalCode, ResetCode, Wire } from "mcp-tunnel-protocol";
import type { LimitName } from "../limits.js";

/**
 * How an exchange ended. `completed`: the visitor got a whole answer from the tunnel. `refused`: the relay
 * answered in the tunnel's place. `cancelled`: the visitor went away before the answer was whole. `cut`: the
 * answer was cut off.
 *
 * @useDeclaredType
 */
export type ExchangeOutcome = (typeof exchangeOutcomes)[number];

export const exchangeOutcomes = [
  /** The visitor got a whole answer from the tunnel. */
  "completed",
  /** The relay answered in the tunnel's place; `code` is the code of the error. */
  "refused",
  /** The visitor went away before the answer was whole. */
  "cancelled",
  /** The answer was cut off; `code` and `detail` say why. */
  "cut",
] as const;

/** Why an exchange did not end well, in words of the relay or of a client. */
export type ExchangeCode = RefusalCode | ResetCode;

/**
 * One request and its outcome. Strangers wrote its texts: escape control characters before you print them.
 */
export interface ExchangeRecord {
  /** The name of the tunnel; `undefined` when the Host named none. */
  name: string | undefined;
  /** The visitor's address, as far as it can be believed. */
  address: string;
  /** The method, as the visitor wrote it. */
  method: string;
  /** The path without the query, which may hold secrets. */
  path: string;
  /** The status sent; `undefined` when none was. */
  status: number | undefined;
  /** Body bytes received from the visitor. After an upgrade, also the bytes of the upgraded connection. */
  requestBytes: number;
  /** Body bytes sent to the visitor. After an upgrade, also the bytes of the upgraded connection. */
  responseBytes: number;
  /** From the request's head to the end of the exchange, in milliseconds. */
  durationMs: number;
  /** How it ended. */
  outcome: ExchangeOutcome;
  /**
   * Why the exchange was refused or cut: the code of the relay's error, the code of a judge of the embedding
   * program, or the code with which the client reset the stream. `undefined` for the other outcomes.
   */
  code: ExchangeCode | (string & {}) | undefined;
  /** Details beside the code, in words. The words may be the client's. */
  detail: string | undefined;
  /** The wire of the tunnel; `undefined` when the request came to none. */
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
  /** The request's fields as received. They hold secrets: write out chosen fields only. */
  headers: RawHeaders;
}

/** Bytes of bodies that went through. After an upgrade, also the bytes of the upgraded connection. */
export interface Traffic {
  /** From visitors. */
  requestBytes: number;
  /** To visitors. */
  responseBytes: number;
}

/** The kinds of what happens to tunnels. @useDeclaredType */
export type TunnelEventType = (typeof tunnelEventTypes)[number];

export const tunnelEventTypes = [
  /** A client has a name. */
  "registered",
  /** A client was turned away because of its token, its name or a limit, or because it was a web page. */
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
  /** A tunnel is over, for any reason. */
  "closed",
] as const;

/**
 * Something that has happened to a tunnel, or to a client that asked for one. Strangers wrote some of its
 * texts: escape control characters before you print them.
 */
export interface TunnelEvent {
  /** What has happened. */
  readonly type: TunnelEventType;
  /**
   * The name of the tunnel. For `refused` it is the name that the client asked for; `undefined` if the client
   * asked for none, or for something that is no name, or was refused before it could ask.
   */
  readonly name: string | undefined;
  /**
   * The id of the token ({@link TokenGrant.id}); `undefined` if the authenticator gives no grants, or the
   * client was refused before its token was known to be good.
   */
  readonly token: string | undefined;
  /** The address of the client, as far as it can be believed. */
  readonly address: string;
  /** Why, in words that are not stable; `undefined` for `registered` and `resumed`. */
  readonly reason: string | undefined;
  /** The address of the client that has the name now; `undefined` for all types but `evicted`. */
  readonly by: string | undefined;
}

/**
 * A limit that took effect, and for whom, as far as that is known. A limit of a tunnel is met by its client
 * or by its visitors.
 */
export interface LimitEvent {
  /** The limit's name, as docs/security.md lists them. */
  readonly limit: LimitName;
  /** The address of the visitor or of the client, as far as it can be believed. */
  readonly address: string | undefined;
  /** The name of the tunnel. */
  readonly name: string | undefined;
  /** The id of the client's token ({@link TokenGrant.id}), for limits that a client meets. */
  readonly token: string | undefined;
}

/**
 * Hears what the relay does: the access log, the metrics. An error that it throws is logged and has no other
 * effect, and so is the rejection of an async function. The relay does not wait for such a function.
 */
export interface RelayObserver {
  /** Called once for each request whose head arrived whole, when the request is over. */
  onEnd(exchange: ExchangeRecord): void;
  /** Something has happened to a tunnel, or a client was refused one. */
  onTunnelEvent?(event: TunnelEvent): void;
  /** A limit took effect. In an attack this is called as often as the attacker likes. */
  onLimit?(event: LimitEvent): void;
}
