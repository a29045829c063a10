import type { AcceptedStream, RequestHead, StreamHandler } from "mcp-tunnel-protocol";

/**
 * A service answers the visitors of a tunnel. It is a local HTTP service behind the forwarder, a request
 * handler of this program, or an object of the user's own. A gate or an inspector wraps a service and is
 * itself a service.
 *
 * A service answers on the stream: any number of `sendInterim`, one `sendHead`, `write` until it returns
 * false and again from `onDrain` on, `end`. It calls `consumed` for the bytes of the request that it has
 * taken, or the visitor is held up. Once it has answered and wants no more of the request, it calls
 * `reset("no_error")`. Any other reset says that the service has failed. Before its head the visitor then
 * gets an error of the relay, after it an answer that is visibly cut off.
 *
 * Requests that reach a service are fit to be sent on. They have a method, a path in origin form (or
 * `OPTIONS *`), and one Content-Length at most. No visitor has written a field whose name begins with
 * `X-Tunnel-`. Their trailers have no fields that belong in a head. The service itself has to drop fields
 * that speak of a single connection (RFC 9110 section 7.6.1), both ways.
 */
export interface Service {
  /**
   * Takes a stream: a request with its answer, or an upgraded connection. `end` says that the request has no
   * body (`onEnd` is called all the same). `tunnel` is the same object for all streams of a session. An
   * exception is reported as a fault of the service, and costs only this request.
   */
  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler;
  /**
   * How many requests and connections the service is at work on. There may be more of them than open streams,
   * because a visitor may have left before the work for him could be stopped. The client takes no new
   * requests while the service is at work on more than `maxStreams` whose streams are over.
   */
  readonly open: number;
  /** What the relay is told of the gate in front of the service. Default: there is none. */
  readonly gate?: DeclaredGate;
  /**
   * Called for each tunnel before its first request. A session that is resumed is the same tunnel. If it
   * throws, the client ends, because another attempt would meet the same tunnel: with the `invalid_option`
   * that was thrown, or with one whose cause is what was thrown.
   */
  begin?(tunnel: ServedTunnel): void;
  /**
   * Cuts all that is open and releases everything. Nothing is accepted afterwards. The client ends when the
   * promise has settled. If it is rejected, or `close` throws, that is a fault, and the client ends all the
   * same.
   */
  close(): Promise<void>;
}

/** A gate decides who may visit a service. This is what a relay knows of it. */
export interface DeclaredGate {
  /**
   * The kinds of proofs that let a visitor in: `bearer`, `basic`, `oauth`. Up to 8 words of 1 to 16 of `a-z`,
   * `0-9` and `-`. Empty if only his address decides.
   */
  readonly kinds: readonly string[];
  /**
   * The same for two gates with the same settings, so that only such gates serve one name together. 1 to 128
   * visible characters of ASCII. It must not reveal any of the settings.
   */
  readonly digest: string;
}

/** The tunnel that a service answers for. There is one object for each session with a relay. */
export interface ServedTunnel {
  /** The public URL, as the relay has acknowledged it. */
  readonly url: string;
  /** The origin of {@link url}: scheme, host and port. */
  readonly origin: string;
  /**
   * The relay writes `X-Forwarded-Host` and `-Proto` itself. An original relay passes on the visitors' own.
   */
  readonly isForwardedOwn: boolean;
  /**
   * The relay writes `X-Tunnel-Visitor`, the visitor's address, itself. If it does not, no request has the
   * field.
   */
  readonly isVisitorOwn: boolean;
  /**
   * The longest body of an answer that the relay passes on, in bytes; `Infinity` if the relay did not say.
   */
  readonly maxResponseBody: number;
  /** Warns the user of the client of something that he can mend. */
  warn(warning: ClientWarning): void;
  /**
   * Reports an exception in the service's own code to the user of the client: the event `fault`, with its
   * stack.
   */
  fault(error: unknown): void;
}

/** Something that works differently through the tunnel, and how to mend it. */
export interface ClientWarning {
  /** What it is, for programs. */
  readonly code: "signed_metadata" | "redirects_to_https" | "own_login";
  /** What it is and what to do, for a person. */
  readonly message: string;
}

/** Handles a stream that was reset as soon as it was accepted: nothing comes on it any more. */
export const ignored: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };
