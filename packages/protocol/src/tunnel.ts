import type { RawHeaders } from "./headers.js";
import type { ResetCode, StreamReset, TunnelError } from "./errors.js";
import type { Link } from "./link.js";
import type { Refusal } from "./refusals.js";

/** The head of a visitor's request as it goes to the client. */
export interface RequestHead {
  /** The method as received; case is significant (RFC 9110 section 9.1). */
  method: string;
  /** The request target in origin form, byte for byte as received (one char per byte), query included. */
  path: string;
  /** The fields in their order, without those of the connection. */
  headers: RawHeaders;
  /** The visitor asks to leave HTTP (`Upgrade`): after a 101, data is raw bytes both ways. Default false. */
  upgrade?: boolean;
}

/** A response head, interim (1xx) or final. The reason phrase does not travel. */
export interface ResponseHead {
  /** 100-199 for interim heads, 101 or 200-999 for final ones. */
  status: number;
  /** The fields in their order, without those of the connection. */
  headers: RawHeaders;
}

/**
 * One exchange on a tunnel: a request and its response, or an upgraded connection. Both ends hold the same
 * shape; only the relay opens streams and only the client sends heads back.
 *
 * A stream is finished when both directions have ended or either side has reset it. Calls on a finished
 * stream do nothing, so that an end need not track what the other did a moment ago.
 */
export interface TunnelStream {
  /** Unique within the session. */
  readonly id: number;
  /**
   * Sends body bytes, or upgraded bytes. The buffer belongs to the stream from now on and may not be changed.
   * Returns false when the sender should wait for `onDrain` before it writes more; the chunk is taken either
   * way.
   */
  write(chunk: Buffer): boolean;
  /** Ends this direction. Trailers may follow a body that was not upgraded. */
  end(trailers?: RawHeaders): void;
  /**
   * Cuts both directions and tells the peer why. This end's handler is not called any more. After `end`, a
   * reset with `no_error` cuts nothing that was written. It only says that this end wants no more of the
   * peer's data.
   */
  reset(code: ResetCode, message?: string): void;
  /**
   * Says that `bytes` of what `onData` handed over have been passed on, so that the peer may send as many
   * again. Every receiver of data must call this, or the stream stalls.
   */
  consumed(bytes: number): void;
}

/** The client's side of a stream: it also answers. */
export interface AcceptedStream extends TunnelStream {
  /**
   * Sends an interim response head (1xx, not 101), any number of times before `sendHead`. All but the first
   * may be dropped, and all on a wire that has no such heads. A head or trailer
   * section that the wire cannot carry resets the stream with `bad_message`. The handler is told in a later
   * turn.
   */
  sendInterim(head: ResponseHead): void;
  /** Sends the final head, once. With `end` there is no body. */
  sendHead(head: ResponseHead, end?: boolean): void;
}

/**
 * Callbacks for the events of a stream. They come in order: none after `onReset`, and none after this end's
 * own `reset`.
 */
export interface StreamHandler {
  /** Relay only: an interim response head (1xx, not 101). */
  onInterim?(head: ResponseHead): void;
  /**
   * Relay only: the final response head. `end` says that no body follows (`onEnd` is called all the same).
   */
  onHead?(head: ResponseHead, end: boolean): void;
  /** `last` is a hint that `onEnd` follows at once with no trailers, so that both can be passed on as one. */
  onData(chunk: Buffer, last: boolean): void;
  /** The peer has ended its direction. Trailers are empty unless it sent some. */
  onEnd(trailers: RawHeaders): void;
  /** The peer cut the stream, or the session was lost. */
  onReset(reason: StreamReset): void;
  /** After `write` returned false: more may be written now. */
  onDrain?(): void;
  /**
   * Version 1 only. In the place of an `onDrain` that is still to come when this end's direction ends: all
   * that was written has been given to the link, or is kept for the next one. A handler that passes data on
   * from another stream returns the credit for it only now. May be called from within `end`.
   */
  onFlushed?(): void;
  /**
   * Version 1 only. Stands for all streams of one tunnel, on a session that carries those of many. When too
   * much is queued on the session, a stream of the group is cut that holds the most. Default: all streams
   * without a group are one.
   */
  readonly group?: unknown;
}

/** The wire that a session speaks. A JSON session knows its version once its peer has shown it. */
export type Wire = "json" | "json-0.1" | "json-0.2" | "v1";

/** Callbacks of a session for its owner. */
export interface SessionHandler {
  /**
   * The session is over and every stream has been reset. Called once. `code` and `reason` are those of the
   * WebSocket close, if there was one.
   */
  onClose(error: TunnelError, code?: number, reason?: string): void;
  /** Version 1 only: the link is gone; the session waits for another one or for `destroy`. */
  onDetached?(cause: TunnelError): void;
  /** A stream's handler threw. The session has reset this stream and touched nothing else. */
  onFault?(error: unknown): void;
  /** This end has reset a stream because too much was queued on the session. */
  onOverloaded?(): void;
  /**
   * The peer takes no new streams (a client), or asks the client to register anew (a relay). Open streams go
   * on.
   */
  onGoaway?(): void;
  /**
   * Client, version 1 only: the relay has refused requests in the tunnel's name. Without this callback
   * REFUSED is a violation.
   */
  onRefused?(refusals: readonly Refusal[]): void;
}

/** The part of a session that both ends have. */
export interface Session {
  /** The wire that it speaks. */
  readonly wire: Wire;
  /** Streams that are open now. */
  readonly streamCount: number;
  /** Round-trip time of the link in milliseconds, once measured. */
  readonly rttMs: number | undefined;
  /** Pings the peer now and counts the link as dead unless something arrives within `timeoutMs`. */
  probe(timeoutMs?: number): void;
  /**
   * Tells the peer that this end is going; open streams go on. A wire without such a message sends nothing.
   */
  goaway(): void;
  /**
   * Resolves when no stream is open and the peer has everything that was sent, or when the session is over.
   */
  idle(): Promise<void>;
  /** Ends the session: streams are reset with `session_lost`, the link is closed with `code` and `reason`. */
  close(code: number, reason: string): void;
}

/** The things that a session's wire can carry beside requests and final responses. */
export interface Carries {
  /** `Upgrade`: after a 101, raw bytes both ways. If false, `RequestHead.upgrade` is ignored. */
  readonly upgrades: boolean;
  /** Interim response heads, and so the client's own answer to `Expect: 100-continue`. */
  readonly interim: boolean;
  /** Fields behind a body. */
  readonly trailers: boolean;
}

/** What each wire carries. One object for all sessions of a wire. */
export const carriedBy = {
  v1: { upgrades: true, interim: true, trailers: true },
  json: { upgrades: false, interim: false, trailers: false },
} as const satisfies Record<string, Carries>;

/** The relay's side: it opens streams. */
export interface OpeningSession extends Session {
  /** One object for all sessions of a class. */
  readonly carries: Carries;
  /**
   * Bytes that wait for the peer's acknowledgement, and bytes that wait to be passed on; 0 on a wire that
   * does not acknowledge.
   */
  readonly heldBytes: number;
  /** Whether this end has told the peer that it is going. Always false on a wire without such a message. */
  readonly leaving: boolean;
  /**
   * Opens a stream for a request. With `end` there is no body.
   * @throws TunnelError `overloaded`, `head_too_large`, `draining` or `session_closed`; `invalid_option` for
   * a head that is not HTTP.
   */
  open(head: RequestHead, end: boolean, handler: StreamHandler): TunnelStream;
  /**
   * Tells the client of requests that were refused in its tunnel's name. Only for a client that has announced
   * that it takes this message. Returns false when that is not possible now, or is never possible on this
   * wire.
   */
  tellRefused(refusals: readonly Refusal[]): boolean;
}

/** A session that outlives its link and goes on over another one. */
export interface ResumableSession extends Session {
  /** Bytes of counted frames processed so far, which the peer need not send again. */
  readonly received: number;
  /** Bytes of counted frames that the peer has processed, as far as it has said so. */
  readonly acknowledged: number;
  /**
   * Goes on over this link: everything after `peerReceived` (0 for a new session) is sent again. A link that
   * is still attached is cut.
   * @throws TunnelError `protocol_error` when `peerReceived` is not an offset that can be served (the session
   * is unchanged); `session_closed` when the session is over.
   */
  attach(link: Link, peerReceived: number): void;
}

/** The client's callback for each stream that the relay opens. It returns the handler of the stream. */
export type AcceptStream = (stream: AcceptedStream, head: RequestHead, end: boolean) => StreamHandler;
