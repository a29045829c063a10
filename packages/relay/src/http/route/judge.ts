import type { Refusal } from "../answer/refusal.js";

/** A visitor's request for a tunnel, as judges see it: what its head says. Its body has not been read. */
export interface Visit {
  /** The name of the tunnel. Perhaps nobody has registered it. */
  readonly name: string;
  readonly method: string;
  /** The request target with its query, as received: `/mcp?x=1`, or `*` (OPTIONS). */
  readonly path: string;
  /**
   * The fields as received, `[name, value, name, value, ...]`. They hold secrets: write out none but chosen
   * ones.
   */
  readonly headers: readonly string[];
  /**
   * Where the visitor is, as far as it can be believed: what the local service gets as `X-Tunnel-Visitor`.
   */
  readonly address: string;
  /**
   * What the visitor used, as far as it can be believed: what the local service gets as `X-Forwarded-Proto`.
   */
  readonly scheme: string;
  /** `1.1`, `2.0`. */
  readonly httpVersion: string;
  /** The visitor asks to leave HTTP: for a WebSocket, most likely. */
  readonly asksForUpgrade: boolean;
  /** A body follows the head. */
  readonly hasBody: boolean;
  /**
   * Aborted when nobody waits for a judge any more: the visitor has left, the time is up, or the relay ends.
   */
  readonly signal: AbortSignal;
  /**
   * The value of the first field of that name, which is given in lower case; `undefined` when there is none.
   */
  header(name: string): string | undefined;
}

/**
 * Decides whether a request may pass to its tunnel: `undefined` lets it pass, a refusal is the answer. With a
 * promise it waits; the request's body is not read meanwhile. A judge that throws, rejects, answers anything
 * else or has not settled within `responseTimeoutMs` refuses with 500 `internal_error`, and the log says why.
 */
export type Judge = (visit: Visit) => Refusal | undefined | Promise<Refusal | undefined>;
