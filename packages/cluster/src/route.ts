import type { Carries, Refusal, RequestHead, StreamHandler, TunnelStream, Wire } from "mcp-tunnel-protocol";

/** What a route tells of a request, besides the events of the request's stream. */
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
  /**
   * The route takes no requests now but will again, so requests wait. The directory says when to look again.
   */
  readonly isAway: boolean;
  /**
   * The route decides only after `open` has returned whether it takes the request, and then calls
   * `onAccepted` or `onRefused`. Another route may take a request that was refused. A tunnel of this relay
   * decides at once: its `open` throws.
   */
  readonly acceptsLater: boolean;
  /** What the route can carry. One object for all routes of a kind, because each request asks for it. */
  readonly carries: Carries;
  /** For the access log; `undefined` while there is no session. */
  readonly wire: Wire | undefined;
  /** Requests that are open on it. */
  readonly streamCount: number;
  /** Bytes that wait for its client, or for the client's acknowledgement. */
  readonly queuedBytes: number;
  /** The client wants to know which requests are refused in its name. */
  readonly takesRefusals: boolean;
  /**
   * Opens a stream for a request. With `end` there is no body.
   * @throws TunnelError `overloaded`, `head_too_large`, `draining` or `session_closed`.
   */
  open(head: RequestHead, end: boolean, handler: RouteHandler): TunnelStream;
  /** Takes note of a request that is over, with the bytes of its bodies. */
  count(requestBytes: number, responseBytes: number): void;
  /** Tells the client which requests were refused in its name, if it wants to know. */
  tellRefusals(refusals: readonly Refusal[]): void;
}
