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
  /** The token of the tunnel has had as many requests as it may have now. */
  | "rate_limited"
  /** A request's head is longer than a session carries. */
  | "head_too_large"
  /** The peer is shutting down and takes no new streams. */
  | "draining"
  /** The peer refused the registration. */
  | "refused"
  /** Another client registered the same name. */
  | "evicted"
  /** Another client has the name, and this one wanted it only if it is free. */
  | "taken"
  /** The peer is too old for what was asked of it, or an original. It was asked nothing. */
  | "unsupported"
  /** The peer did not answer in time. */
  | "timeout"
  /** The other end could not be reached, or the connection to it broke while registering. */
  | "unreachable"
  /** A value that was given is not usable. */
  | "invalid_option"
  /** A call is not possible now, or not any more: a second `start`, say. */
  | "invalid_state"
  /** This machine, or another program, is in the way: a port is taken, a file cannot be read. */
  | "unavailable"
  /**
   * An AbortSignal of the program's own has ended what was waited for. Code and name (`AbortError`) are those
   * of Node's own functions, and the cause is the signal's reason.
   */
  | "ABORT_ERR";

/** Details of an error that a program may want beside its code. */
export interface TunnelErrorDetails extends ErrorOptions {
  /** {@link TunnelError.options}. */
  options?: readonly string[];
  /** {@link TunnelError.file}. */
  file?: string;
  /** {@link TunnelError.isHopeless}. */
  isHopeless?: boolean;
}

/**
 * The one error class of this project: a stable `code`, a message that says what to do, the cause beneath.
 * Its `name` is `TunnelError`, except with the code `ABORT_ERR`.
 */
export class TunnelError extends Error {
  /** What failed. A program decides by it. */
  readonly code: TunnelErrorCode;
  /**
   * The names of the options that the message is about, as they are spelled where they were given:
   * `maxTunnels` in a program, `max-tunnels` on a command line and in a config file. Absent when the message
   * is about none.
   */
  declare readonly options?: readonly string[];
  /**
   * The path of the file that the message is about, as it was given. Absent when the message is about none.
   */
  declare readonly file?: string;
  /**
   * True when another attempt cannot succeed before a person has changed something: the relay's name does not
   * exist, its URL has the wrong scheme, another program answers there, or its certificate is not valid.
   * Absent otherwise, also for what may pass: a relay that restarts, a network that is down.
   */
  declare readonly isHopeless?: true;

  constructor(code: TunnelErrorCode, message: string, details: TunnelErrorDetails = {}) {
    super(message, details);
    this.name = code === "ABORT_ERR" ? "AbortError" : "TunnelError";
    this.code = code;
    // Node prints all properties of an error, also those without a value.
    if (details.options !== undefined) this.options = details.options;
    if (details.file !== undefined) this.file = details.file;
    if (details.isHopeless === true) this.isHopeless = true;
  }
}

/** The error of whoever waited for something that `signal` has ended. */
export function abortError({ reason }: AbortSignal): TunnelError {
  return new TunnelError("ABORT_ERR", "the operation was aborted", { cause: reason });
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

/** The names of {@link resetCodes}. */
export type ResetCode = keyof typeof resetCodes;

/** The reason that a stream's handler gets when the stream is cut. */
export class StreamReset extends Error {
  /** Why the stream was cut. */
  readonly code: ResetCode;

  constructor(code: ResetCode, message: string) {
    super(message);
    this.name = "StreamReset";
    this.code = code;
  }
}
