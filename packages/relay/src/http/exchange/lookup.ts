import type { RelayErrorCode } from "mcp-tunnel-protocol";
import type { LimitName, Limits } from "../../limits.js";
import { type Directory, isLater } from "../../tunnels/directory.js";
import type { Holds } from "../../tunnels/holds.js";
import type { Route } from "../../tunnels/route.js";
import type { DeclaredBody } from "../declared-body.js";

/** How often a request is taken elsewhere because a route that was found has refused it. */
const maxRefusals = 5;

/** What lookups share. */
export interface LookupContext {
  readonly directory: Directory;
  readonly holds: Holds;
  readonly options: Pick<Limits, "holdTimeoutMs">;
  /** The relay is shutting down: nobody comes back to it. */
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
   * No route takes the request. `limit`: by which limit it may not wait, or not any longer; `hit`: under
   * which name that limit is reported.
   */
  onUnserved(code: RelayErrorCode, limit?: keyof Limits, hit?: LimitName): void;
}

/** Finds who serves a name, and waits for a client that is expected back, within bounds. */
export class RouteLookup {
  /** The route that was found last, which may be away; of a pool, the member that has taken the request. */
  route: Route | undefined;
  #isStarted = false;
  #leaveHold: (() => void) | undefined;
  /** The directory's answer, while it is waited for. */
  #answer: Promise<Route | undefined> | undefined;
  /** Something has changed since the directory was asked: its answer may be older. */
  #isStale = false;
  #timer: NodeJS.Timeout | undefined;
  #refusals = 0;
  readonly #owner: LookupOwner;
  readonly #context: LookupContext;
  readonly #name: string;
  readonly #body: DeclaredBody;

  /** `body`: that of the request, which waits as well. */
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

  /** The route that was found has refused the request after all: there may be another by now. */
  startAgain(): void {
    this.#refusals += 1;
    if (this.#refusals > maxRefusals) this.#owner.onUnserved("tunnel_reconnecting");
    else this.start();
  }

  /** Nobody waits for a route any longer. */
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
    // Its client is at the relay that succeeds this one, or will be: so should the visitor.
    else if (draining) this.#owner.onUnserved("tunnel_draining");
    else if (route !== undefined || holds.startingUp) {
      this.route = route;
      this.#wait(false);
    } else this.#owner.onUnserved(this.route === undefined ? "tunnel_not_found" : "tunnel_disconnected");
  }

  #await(answer: Promise<Route | undefined>): void {
    this.#isStale = false;
    this.#answer = answer;
    // A thenable of a program's own may call back at once.
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

  /** `isAsking`: for the directory's answer, not for a client. */
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
    // Over all of its holds: a client that comes and goes does not keep its visitors for ever.
    this.#timer ??= setTimeout(() => this.#owner.guard(() => this.#onTimeout()), options.holdTimeoutMs);
  }

  #again(): void {
    // It may have been stopped by another that was woken in the same turn.
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
