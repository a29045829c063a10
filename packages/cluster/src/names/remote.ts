import { carriedBy, TunnelError, type TunnelStream } from "mcp-tunnel-protocol";
import type { Entry } from "../engine/engine.js";
import type { Peer } from "../peers/peers.js";
import type { Route } from "../route.js";

/** A route to a tunnel of another relay. It is away also while there is no link to that relay. */
export interface RemoteRoute extends Route {
  /** The tunnel takes no requests now, as far as is known here. */
  isTunnelAway: boolean;
}

/**
 * Makes the route to a tunnel of the relay `peer`. `onRefused`: that relay has not taken a request, because
 * the tunnel is away, or is not there any more. The request looks for a route again as soon as this returns.
 */
export type RouteTo = (entry: Entry, peer: Peer, onRefused: (isGone: boolean) => void) => RemoteRoute;

/** A tunnel of another relay. */
export interface RemoteTunnel {
  readonly entry: Entry;
  /** `undefined`: the relay is dead, or has only just come. */
  readonly peer: Peer | undefined;
  readonly route: RemoteRoute;
}

/**
 * Requests wait. This stands for a tunnel whose relay is not there, and for a name of which nobody can say
 * whether it is served, because the engine is down. In the end these requests get 503, rather than 502 as for
 * a name that nobody has.
 */
export const awayRoute: RemoteRoute = {
  isAway: true,
  isTunnelAway: true,
  acceptsLater: false,
  carries: carriedBy.json,
  wire: undefined,
  streamCount: 0,
  queuedBytes: 0,
  takesRefusals: false,
  open(): TunnelStream {
    throw new TunnelError("session_lost", "the relay of the tunnel is not there");
  },
  count() {},
  tellRefusals() {},
};
