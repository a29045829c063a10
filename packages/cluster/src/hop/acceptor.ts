import {
  type AcceptedStream,
  type AcceptStream,
  type RequestHead,
  type StreamHandler,
  TunnelError,
} from "mcp-tunnel-protocol";
import { OpenList, withoutQuery } from "mcp-tunnel-shared";
import type { Route } from "../route.js";
import { type HopRefusal, takeHop } from "./field.js";
import { HopExchange } from "./exchange.js";

/**
 * The tunnel of this relay that had its name by the claim `gen`, if it still has it. `undefined` for any
 * other, and while the tunnel's client is on its way to another relay. Never a route to another relay: a
 * request takes one hop at most.
 */
export type FindHopRoute = (name: string, gen: number) => Route | undefined;

/** Takes requests of other relays to the tunnels of this one. */
export class HopAcceptor {
  readonly #find: FindHopRoute;
  /** The requests that are going on. */
  readonly open = new OpenList<HopExchange>();

  constructor(find: FindHopRoute) {
    this.#find = find;
  }

  /** For the sessions of other relays. */
  readonly accept: AcceptStream = (stream, head, end) => {
    const target = takeHop(head.headers);
    if (target === undefined) return refused(stream, "bad_message", "not a request of a relay");
    const route = this.#find(target.name, target.gen);
    if (route === undefined) return refused(stream, "refused", moved);
    if (route.isAway) return refused(stream, "refused", away);
    return this.#start(stream, head, end, route);
  };

  #start(stream: AcceptedStream, head: RequestHead, end: boolean, route: Route): StreamHandler {
    const exchange = new HopExchange(stream, route, this.open);
    try {
      exchange.begin(head, end);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      return refuseAsTunnel(stream, head, route, error);
    }
    return exchange.visitor;
  }
}

const moved: HopRefusal = "moved";
const away: HopRefusal = "away";
const limited: HopRefusal = "limited";
const silence: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };

function refused(
  stream: AcceptedStream,
  code: "refused" | "bad_message" | "overloaded",
  message: string,
): StreamHandler {
  stream.reset(code, message);
  return silence;
}

/** The tunnel takes no stream. The visitor gets the answer that he would get at this relay. */
function refuseAsTunnel(
  stream: AcceptedStream,
  { method, path }: RequestHead,
  route: Route,
  error: TunnelError,
): StreamHandler {
  if (error.code === "rate_limited") return refused(stream, "refused", limited);
  if (error.code === "draining" || error.code === "session_closed") return refused(stream, "refused", away);
  // The other relay has checked the head against the same rules, with the field of the hop in it.
  if (error.code !== "overloaded") throw error;
  // The other relay cannot tell this from a reset of the client, so the client is told here.
  if (route.takesRefusals) {
    const request = { method, path: withoutQuery(path), limit: undefined };
    route.tellRefusals([{ code: "tunnel_overloaded", status: 503, count: 1, ...request }]);
  }
  return refused(stream, "overloaded", error.message);
}
