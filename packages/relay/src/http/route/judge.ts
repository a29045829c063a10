import type { Refusal } from "../answer/refusal.js";
import type { RequestChanges } from "./request-changes.js";

/** A visitor's request for a tunnel, as judges see it: what its head says. Its body has not been read. */
export interface Visit {
  /** The name of the tunnel. Perhaps nobody has registered it. */
  readonly name: string;
  /** The method, as the visitor wrote it. */
  readonly method: string;
  /** The request target with its query, as received: `/mcp?x=1`, or `*` (OPTIONS). */
  readonly path: string;
  /**
   * The fields as received, `[name, value, name, value, ...]`, without the changes of other judges. They hold
   * secrets: log only chosen fields.
   */
  readonly headers: readonly string[];
  /**
   * The visitor's address, as far as it can be believed: the local service gets it as `X-Tunnel-Visitor`.
   */
  readonly address: string;
  /**
   * The visitor's scheme, as far as it can be believed: the local service gets it as `X-Forwarded-Proto`.
   */
  readonly scheme: string;
  /** The relay's id of the request: that of its answers, and of {@link ExchangeRecord.requestId}. */
  readonly requestId: string;
  /** `1.1`, `2.0`. */
  readonly httpVersion: string;
  /** The visitor asks to leave HTTP: for a WebSocket, most likely. */
  readonly asksForUpgrade: boolean;
  /** A body follows the head. */
  readonly hasBody: boolean;
  /**
   * Aborted when nobody waits for the judge any more: the visitor has left, the time is up, or the relay
   * ends.
   */
  readonly signal: AbortSignal;
  /**
   * The value of the first field of that name, which is given in lower case; `undefined` when there is none.
   */
  header(name: string): string | undefined;
}

/**
 * What a judge says of a request: `undefined` lets it pass as it is, changes let it pass with other fields,
 * and a refusal is the answer that the visitor gets.
 */
export type Judgment = Refusal | RequestChanges | undefined;

/**
 * Decides whether a request may pass to its tunnel. The request waits for a promise, and its body is not read
 * meanwhile. If a judge throws, rejects, gives anything but a {@link Judgment} or has not settled within
 * `responseTimeoutMs`, the answer is 500 `internal_error`, and the log says why.
 */
export type Judge = (visit: Visit) => Judgment | Promise<Judgment>;
