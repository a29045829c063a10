import type { RelayErrorCode } from "mcp-tunnel-protocol";
import type { LimitName, Limits } from "../../limits.js";
import type { Tunnel } from "../../tunnels/tunnel.js";
import type { ExchangeContext } from "./context.js";
import type { ExchangeRequest } from "./request.js";

/** What a lookup needs of its exchange. It calls one of `onFound` and `onUnserved`, once. */
export interface LookupOwner {
  guard(action: () => void): void;
  /** The tunnel takes requests now. */
  onFound(tunnel: Tunnel): void;
  /** No tunnel takes the request. `limit`: the one by which it may not wait, or not any longer. */
  onUnserved(code: RelayErrorCode, limit?: keyof Limits): void;
}

/** Finds the tunnel of a request, and waits for one whose client is expected back, within bounds. */
export class TunnelLookup {
  #tunnel: Tunnel | undefined;
  #leaveHold: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #owner: LookupOwner;
  readonly #context: ExchangeContext;
  readonly #request: ExchangeRequest;

  constructor(owner: LookupOwner, context: ExchangeContext, request: ExchangeRequest) {
    this.#owner = owner;
    this.#context = context;
    this.#request = request;
  }

  /** The tunnel that was found last; its client may be away. */
  get tunnel(): Tunnel | undefined {
    return this.#tunnel;
  }

  start(): void {
    const { registry, draining, holds } = this.#context;
    const tunnel = registry.find(this.#request.name);
    if (tunnel !== undefined && tunnel.state.name !== "away") {
      this.#tunnel = tunnel;
      this.stop();
      this.#owner.onFound(tunnel);
    }
    // Its client is at the relay that succeeds this one, or will be: so should the visitor.
    else if (draining) this.#owner.onUnserved("tunnel_draining");
    else if (tunnel !== undefined || holds.startingUp) this.#hold(tunnel);
    else this.#owner.onUnserved(this.#tunnel === undefined ? "tunnel_not_found" : "tunnel_disconnected");
  }

  /** The exchange waits no longer. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#leave();
  }

  #hold(tunnel: Tunnel | undefined): void {
    this.#tunnel = tunnel;
    const { name, body } = this.#request;
    const length = body.isPresent ? body.contentLength : 0;
    const { holds, options } = this.#context;
    const held = holds.wait(name, length, () => this.#owner.guard(() => this.#again()));
    if (typeof held === "string") {
      this.#hitLimit("held_requests");
      this.#owner.onUnserved("tunnel_reconnecting", held);
      return;
    }
    this.#leaveHold = held;
    // Over all of its holds: a client that comes and goes does not keep its visitors for ever.
    this.#timer ??= setTimeout(() => this.#owner.guard(() => this.#onTimeout()), options.holdTimeoutMs);
  }

  #again(): void {
    // It may have been stopped by another that was woken in the same turn.
    if (this.#leaveHold === undefined) return;
    this.#leave();
    this.start();
  }

  #leave(): void {
    this.#leaveHold?.();
    this.#leaveHold = undefined;
  }

  #onTimeout(): void {
    this.#hitLimit("hold_time");
    this.#leave();
    this.#owner.onUnserved("tunnel_reconnecting", "holdTimeoutMs");
  }

  #hitLimit(limit: LimitName): void {
    const { name, visitor } = this.#request;
    this.#context.limits.hit(limit, { address: visitor.address, name });
  }
}
