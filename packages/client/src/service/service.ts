import type { AcceptedStream, RequestHead, StreamHandler } from "mcp-tunnel-protocol";

/**
 * What answers the visitors of a tunnel: a local HTTP service behind the forwarder, a request handler of this
 * program, or something of the user's own. A gate or an inspector wraps a service and is one.
 *
 * A service answers on the stream: any number of `sendInterim`, one `sendHead`, `write` until it returns
 * false and again from `onDrain` on, `end`. It says `consumed` of what it has taken of the request, or the
 * visitor is held up. Once it has answered and wants no more of the request, it says `reset("no_error")`. Any
 * other reset says that it has failed: before its head the visitor gets an error of the relay, after it an
 * answer that is visibly cut off.
 *
 * Requests that reach a service are fit to be sent on: a method and a path in origin form (or `OPTIONS *`),
 * and one Content-Length at most. Fields that speak of a single connection (RFC 9110 section 7.6.1) are its
 * own to drop, both ways.
 */
export interface Service {
  /**
   * Takes a stream: a request with its answer, or an upgraded connection. `end` says that the request has no
   * body (`onEnd` is called all the same). `tunnel` is the same object for all streams of a session. An
   * exception is told as a fault of the service, and costs this request alone.
   */
  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler;
  /**
   * What it is at work on. That may be more than the streams that are open: a visitor may have left before
   * the work for him could be stopped. The client takes no new requests while more than `maxStreams` of these
   * are left behind.
   */
  readonly open: number;
  /** Cuts what is open and lets go of everything. Nothing is accepted afterwards. */
  close(): Promise<void>;
}

/** What a service may know of the tunnel that it answers for. One object for each session with a relay. */
export interface ServedTunnel {
  /** The public URL, as the relay has acknowledged it. */
  readonly url: string;
  /** The origin of {@link url}: scheme, host and port. */
  readonly origin: string;
  /**
   * The relay writes `X-Forwarded-Host` and `-Proto` itself. An original relay passes on those of visitors.
   */
  readonly isForwardedOwn: boolean;
  /**
   * The relay writes `X-Tunnel-Visitor`, the visitor's address, itself. Where not, no request has the field.
   */
  readonly isVisitorOwn: boolean;
  /** The longest body of an answer that the relay passes on, in bytes; `Infinity`: it did not say. */
  readonly maxResponseBody: number;
  /** Tells the user of the client of something that he can mend. */
  warn(warning: ClientWarning): void;
  /**
   * Tells the user of the client of an exception in the service's own code: event `error`, with its stack.
   */
  fault(error: unknown): void;
}

/** Something that works through the tunnel otherwise than without it, and what to do about it. */
export interface ClientWarning {
  readonly code: "signed_metadata" | "redirects_to_https";
  readonly message: string;
}

/** Handles a stream that was reset as soon as it was accepted: nothing comes on it any more. */
export const ignored: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };
