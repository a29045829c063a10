import type {
  Carries,
  RawHeaders,
  Refusal,
  RequestHead,
  ResetCode,
  ResponseHead,
  StreamHandler,
  TunnelStream,
  Wire,
} from "mcp-tunnel-protocol";

/** What a route tells of a request, besides the events of the request's stream. */
export interface RouteHandler extends StreamHandler {
  /** A route that {@link Route.acceptsLater} takes the request. The body follows now, and not before. */
  onAccepted(): void;
  /**
   * A route that {@link Route.acceptsLater} does not take the request. Nothing was done, and the stream is
   * over.
   */
  onRefused(): void;
  /**
   * A route that {@link Route.acceptsLater} does not take the request, because the token of its tunnel has
   * had its requests of this second. Nothing was done, the stream is over, and no other route is looked for.
   * A tunnel of this relay says so at once: its `open` throws.
   */
  onLimited(): void;
}

/** A tunnel that serves a name: of this relay, or of another one. */
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
   * @throws TunnelError `rate_limited`, `overloaded`, `head_too_large`, `draining` or `session_closed`.
   */
  open(head: RequestHead, end: boolean, handler: RouteHandler): TunnelStream;
  /** Takes note of a request that is over, with the bytes of its bodies. */
  count(requestBytes: number, responseBytes: number): void;
  /** Tells the client which requests were refused in its name, if it wants to know. */
  tellRefusals(refusals: readonly Refusal[]): void;
}

/** The member of a pool that gets a request, and what becomes of the request there. */
export interface Choice {
  /** The way to the member's tunnel. */
  readonly route: Route;
  /** The final head of the member's answer. Called once at most. */
  onHead(head: ResponseHead): void;
  /** The stream was reset before such a head. */
  onReset(code: ResetCode): void;
}

/**
 * Several tunnels that serve one name. None of them is the pool's, so what concerns a request before a member
 * is chosen counts for any of them.
 */
export interface Pool extends Pick<Route, "isAway" | "takesRefusals" | "count" | "tellRefusals"> {
  /**
   * Chooses the member for a request with the fields `headers`, but none of `refused`, which have not taken
   * it. `undefined`: no member takes it now, and it waits as for a route that is away. An answer in this turn
   * costs the request nothing. Never rejects.
   */
  pick(headers: RawHeaders, refused: readonly Route[]): Choice | undefined | Promise<Choice | undefined>;
}
