/** Why a session, a link or a registration failed. Stable: users may switch on it. */
export type TunnelErrorCode =
  /** The peer broke the protocol; the link is closed. */
  | "protocol_error"
  /** The session has ended; no stream can be opened or go on. */
  | "session_closed"
  /** The link to the peer is gone and was not replaced in time. */
  | "session_lost"
  /** The tunnel carries as many streams, or queues as many bytes, as it may. */
  | "overloaded"
  /** A request's head is longer than a session carries. */
  | "head_too_large"
  /** The peer is shutting down and takes no new streams. */
  | "draining"
  /** The peer refused the registration. */
  | "refused"
  /** Another client registered the same name. */
  | "evicted"
  /** The peer did not answer in time. */
  | "timeout"
  /** The other end could not be reached, or the connection to it broke while registering. */
  | "unreachable"
  /** A value given by the user is not usable, or a call is not possible (any more). */
  | "invalid_option";

/** The one error class of this project: a stable `code`, a message that says what to do, the cause beneath. */
export class TunnelError extends Error {
  readonly code: TunnelErrorCode;

  constructor(code: TunnelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TunnelError";
    this.code = code;
  }
}

/**
 * Why one stream ended before its time. The number is what travels in a RESET frame (PROTOCOL.md, "Reset
 * codes"); 0 means that the sender of the reset wants no more data and nothing went wrong.
 */
export const resetCodes = {
  no_error: 0,
  cancelled: 1,
  upstream_unreachable: 2,
  upstream_failed: 3,
  upstream_timeout: 4,
  body_too_large: 5,
  bad_message: 6,
  refused: 7,
  overloaded: 8,
  internal: 9,
  session_lost: 10,
} as const;

export type ResetCode = keyof typeof resetCodes;

/** What a stream's handler is told when the stream is cut. */
export class StreamReset extends Error {
  readonly code: ResetCode;

  constructor(code: ResetCode, message: string) {
    super(message);
    this.name = "StreamReset";
    this.code = code;
  }
}
