import type { Carries, Refusal, RequestHead, StreamHandler, TunnelStream, Wire } from "mcp-tunnel-protocol";

/** What a route tells of a request beside what happens on its stream. */
export interface RouteHandler extends StreamHandler {
  /**
   * A pool has given the request to one of its tunnels. The pool calls this before `open` returns. The
   * request counts for that tunnel, whose client is told of refusals.
   */
  onPicked(route: Route): void;
  /** A route that {@link Route.acceptsLater} takes the request. The body follows now, and not before. */
  onAccepted(): void;
  /**
   * A route that {@link Route.acceptsLater} does not take the request. Nothing was done, and the stream is
   * over.
   */
  onRefused(): void;
}

/** Who serves a name: a tunnel of this relay, a tunnel of another relay, or one of several tunnels. */
export interface Route {
  /** It takes no requests now, and will again: they wait. The directory says when to look again. */
  readonly isAway: boolean;
  /**
   * Whether it takes a request is known only after `open` has returned: it calls `onAccepted` or `onRefused`
   * then. A request that it refuses may be taken by another route. A tunnel of this relay knows at once, and
   * throws.
   */
  readonly acceptsLater: boolean;
  /** What it can carry; one object for all routes of a kind, since it is asked for with each request. */
  readonly carries: Carries;
  /** For the access log; `undefined` while there is no session. */
  readonly wire: Wire | undefined;
  /** Requests that are open on it. */
  readonly streamCount: number;
  /** Bytes that wait for its client, or for the client's acknowledgement. */
  readonly queuedBytes: number;
  /** Its client wants to know what is refused in its name. */
  readonly takesRefusals: boolean;
  /**
   * Opens a stream for a request. With `end` there is no body.
   * @throws TunnelError `overloaded`, `head_too_large`, `draining` or `session_closed`.
   */
  open(head: RequestHead, end: boolean, handler: RouteHandler): TunnelStream;
  /** Takes note of a request that is over, with the bytes of its bodies. */
  count(requestBytes: number, responseBytes: number): void;
  /** Tells its client, if that takes it, what was refused in its name. */
  tellRefusals(refusals: readonly Refusal[]): void;
}
