import type { Directory, Route } from "mcp-tunnel-cluster/relay";
import type { RelayErrorCode } from "mcp-tunnel-protocol";
import type { LimitName, Limits } from "../../limits.js";
import { isLater } from "../../tunnels/directory.js";
import type { Holds } from "../../tunnels/holds.js";
import type { DeclaredBody } from "../declared-body.js";

/** How often a request looks for another route because the one that it found has refused it. */
const maxRefusals = 5;

/** What lookups share. */
export interface LookupContext {
  readonly directory: Directory;
  readonly holds: Holds;
  readonly options: Pick<Limits, "holdTimeoutMs">;
  /** The relay is shutting down: no client comes back to it. */
  readonly draining: boolean;
}

/** What a lookup tells its owner. Each `start` ends with one call of `onFound`, `onUnserved` or `fault`. */
export interface LookupOwner {
  guard(action: () => void): void;
  /** The directory failed. */
  fault(error: unknown): void;
  /** The route takes requests now. */
  onFound(route: Route): void;
  /**
   * No route takes the request. `limit`: the limit by which it may not wait, or not any longer. `hit`: the
   * name under which that limit is reported.
   */
  onUnserved(code: RelayErrorCode, limit?: keyof Limits, hit?: LimitName): void;
}

/** Finds the route of a name. Waits within bounds for a client that is expected back. */
export class RouteLookup {
  /** The route that was found last, which may be away. Of a pool: the tunnel that has taken the request. */
  route: Route | undefined;
  #isStarted = false;
  #leaveHold: (() => void) | undefined;
  /** The directory's answer, while the lookup waits for it. */
  #answer: Promise<Route | undefined> | undefined;
  /** Something has changed since the directory was asked: its answer may be older. */
  #isStale = false;
  #timer: NodeJS.Timeout | undefined;
  #refusals = 0;
  readonly #owner: LookupOwner;
  readonly #context: LookupContext;
  readonly #name: string;
  readonly #body: DeclaredBody;

  /** `body`: the request's body, which waits as well. */
  constructor(owner: LookupOwner, context: LookupContext, name: string, body: DeclaredBody) {
    this.#owner = owner;
    this.#context = context;
    this.#name = name;
    this.#body = body;
  }

  /** The directory has been asked. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  start(): void {
    this.#isStarted = true;
    const found = this.#context.directory.find(this.#name);
    if (isLater(found)) this.#await(found);
    else this.#settle(found);
  }

  /** The route that was found has refused the request after all. There may be another route by now. */
  startAgain(): void {
    this.#refusals += 1;
    if (this.#refusals > maxRefusals) this.#owner.onUnserved("tunnel_reconnecting");
    else this.start();
  }

  /** Ends the lookup: the request waits no longer for a route. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#answer = undefined;
    this.#leave();
  }

  #settle(route: Route | undefined): void {
    const { draining, holds } = this.#context;
    if (route !== undefined && !route.isAway) {
      this.route = route;
      this.stop();
      this.#owner.onFound(route);
    }
    // The client is at the relay that succeeds this one, or will be. The visitor should go there as well.
    else if (draining) this.#owner.onUnserved("tunnel_draining");
    else if (route !== undefined || holds.startingUp) {
      this.route = route;
      this.#wait(false);
    } else this.#owner.onUnserved(this.route === undefined ? "tunnel_not_found" : "tunnel_disconnected");
  }

  #await(answer: Promise<Route | undefined>): void {
    this.#isStale = false;
    this.#answer = answer;
    // A thenable of an embedding program may call back at once.
    void Promise.resolve(answer).then(
      (route) => {
        if (this.#answer === answer) this.#owner.guard(() => this.#onAnswer(route));
      },
      (error: unknown) => {
        if (this.#answer === answer) this.#owner.fault(error);
      },
    );
    this.#wait(true);
  }

  #onAnswer(route: Route | undefined): void {
    this.#answer = undefined;
    this.#leave();
    if (this.#isStale && (route === undefined || route.isAway)) this.start();
    else this.#settle(route);
  }

  /** `isAsking`: the request waits for the directory's answer, not for a client. */
  #wait(isAsking: boolean): void {
    const { holds, options } = this.#context;
    const length = this.#body.isPresent ? this.#body.contentLength : 0;
    const held = holds.wait(this.#name, length, isAsking, () => this.#owner.guard(() => this.#again()));
    if (typeof held === "string") {
      this.stop();
      this.#owner.onUnserved("tunnel_reconnecting", held, "held_requests");
      return;
    }
    this.#leaveHold = held;
    // One timer for all holds of a request, so that a client that comes and goes keeps no visitor for ever.
    this.#timer ??= setTimeout(() => this.#owner.guard(() => this.#onTimeout()), options.holdTimeoutMs);
  }

  #again(): void {
    // Another request that was woken in the same turn may have stopped this one.
    if (this.#leaveHold === undefined) return;
    if (this.#answer !== undefined) {
      this.#isStale = true;
      return;
    }
    this.#leave();
    this.start();
  }

  #leave(): void {
    this.#leaveHold?.();
    this.#leaveHold = undefined;
  }

  #onTimeout(): void {
    this.stop();
    this.#owner.onUnserved("tunnel_reconnecting", "holdTimeoutMs", "hold_time");
  }
}
