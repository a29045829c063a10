import type { Choice, Directory, Pool, Route } from "mcp-tunnel-cluster/relay";
import type { RawHeaders, RelayErrorCode } from "mcp-tunnel-protocol";
import type { LimitName, Limits } from "../../limits.js";
import { isLater, isPool } from "../../tunnels/directory.js";
import type { Holds } from "../../tunnels/holds.js";
import type { DeclaredBody } from "../declared-body.js";

/** How often a request looks for another route because the one that it found has refused it. */
const maxRefusals = 5;

const noRoutes: readonly Route[] = [];

/** What lookups share. */
export interface LookupContext {
  readonly directory: Directory;
  readonly holds: Holds;
  readonly options: Pick<Limits, "holdTimeoutMs">;
  /** The relay is shutting down: no client comes back to it. */
  readonly draining: boolean;
}

/** Why a request gets an answer in the tunnel's place. */
export interface Unserved {
  readonly code: RelayErrorCode;
  /** The limit by which it may not wait, or not any longer, or by which the tunnel takes no more. */
  readonly limit?: keyof Limits | undefined;
  /** The name under which that limit is reported. */
  readonly hit?: LimitName | undefined;
  /** What has gone wrong, for the operator. */
  readonly detail?: string | undefined;
}

/** What a lookup tells its owner. Each `start` ends with one call of `onFound`, `onUnserved` or `fault`. */
export interface LookupOwner {
  /** The fields of the request's head. */
  readonly requestHeaders: RawHeaders;
  guard(action: () => void): void;
  /** The directory failed. */
  fault(error: unknown): void;
  /** The route takes requests now. */
  onFound(route: Route): void;
  /** No route takes the request. */
  onUnserved(why: Unserved): void;
}

/** Finds the route of a name. Waits within bounds for a client that is expected back. */
export class RouteLookup {
  /** What was found last, which may be away. Of a pool, once there is one: the member for the request. */
  route: Route | Pool | undefined;
  /** How the member was chosen, if a pool has the name. */
  choice: Choice | undefined;
  #isStarted = false;
  #leaveHold: (() => void) | undefined;
  /** The answer of the directory, or of a pool, while the lookup waits for it. */
  #answer: Promise<unknown> | undefined;
  /** Something has changed since the directory was asked: its answer may be older. */
  #isStale = false;
  #timer: NodeJS.Timeout | undefined;
  #refusals = 0;
  /** The members of the pool that have not taken the request, since something has changed last. */
  #refusedBy: readonly Route[] = noRoutes;
  /** Why the last of them has not, if it will not in a moment either. */
  #lastRefusal: Unserved | undefined;
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
    if (isLater(found)) this.#await(found, (answer, isStale) => this.#onAnswer(answer, isStale));
    else this.#settle(found);
  }

  /** The route that was found has refused the request after all. There may be another route by now. */
  startAgain(): void {
    this.#refusals += 1;
    if (this.#refusals > maxRefusals) {
      this.#owner.onUnserved(this.#lastRefusal ?? { code: "tunnel_reconnecting" });
      return;
    }
    if (this.choice !== undefined) this.#refusedBy = [...this.#refusedBy, this.choice.route];
    this.choice = undefined;
    this.start();
  }

  /** The member of a pool that was chosen takes no requests. If no other one does, the answer is `why`. */
  tryOthers(why: Unserved): void {
    this.#lastRefusal = why;
    this.startAgain();
  }

  /** Ends the lookup: the request waits no longer for a route. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#answer = undefined;
    this.#leave();
  }

  #settle(found: Route | Pool | undefined): void {
    if (found === undefined || found.isAway) this.#onUntaken(found);
    else if (isPool(found)) this.#choose(found);
    else this.#onFound(found);
  }

  #onFound(route: Route): void {
    this.route = route;
    this.stop();
    this.#owner.onFound(route);
  }

  /** No route takes the request now. */
  #onUntaken(found: Route | Pool | undefined): void {
    const { draining, holds } = this.#context;
    // The client is at the relay that succeeds this one, or will be. The visitor should go there as well.
    if (draining) this.#owner.onUnserved({ code: "tunnel_draining" });
    else if (found !== undefined || holds.startingUp) {
      this.route = found;
      this.#wait(false);
    } else {
      const code = this.route === undefined ? "tunnel_not_found" : "tunnel_disconnected";
      this.#owner.onUnserved({ code });
    }
  }

  #choose(pool: Pool): void {
    const choice = pool.pick(this.#owner.requestHeaders, this.#refusedBy);
    if (isLater(choice)) this.#await(choice, (chosen, isStale) => this.#onChosen(pool, chosen, isStale));
    else this.#onChosen(pool, choice, false);
  }

  #onChosen(pool: Pool, choice: Choice | undefined, isStale: boolean): void {
    this.choice = choice;
    if (choice !== undefined) this.#onFound(choice.route);
    else if (this.#lastRefusal !== undefined) this.#owner.onUnserved(this.#lastRefusal);
    else if (isStale) this.start();
    else this.#onUntaken(pool);
  }

  /** `settle` is called with the answer, and with whether something has changed since it was asked for. */
  #await<T>(answer: Promise<T>, settle: (value: T, isStale: boolean) => void): void {
    this.#isStale = false;
    this.#answer = answer;
    const onValue = (value: T): void => {
      this.#answer = undefined;
      this.#leave();
      settle(value, this.#isStale);
    };
    // A thenable of an embedding program may call back at once.
    void Promise.resolve(answer).then(
      (value) => {
        if (this.#answer === answer) this.#owner.guard(() => onValue(value));
      },
      (error: unknown) => {
        if (this.#answer === answer) this.#owner.fault(error);
      },
    );
    this.#wait(true);
  }

  #onAnswer(found: Route | Pool | undefined, isStale: boolean): void {
    if (isStale && (found === undefined || found.isAway)) this.start();
    else this.#settle(found);
  }

  /** `isAsking`: the request waits for the directory's answer, not for a client. */
  #wait(isAsking: boolean): void {
    const { holds, options } = this.#context;
    const length = this.#body.isPresent ? this.#body.contentLength : 0;
    const held = holds.wait(this.#name, length, isAsking, () => this.#owner.guard(() => this.#again()));
    if (typeof held === "string") {
      this.stop();
      this.#owner.onUnserved({ code: "tunnel_reconnecting", limit: held, hit: "held_requests" });
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
    // A member that has refused the request may be the one that has come back.
    this.#refusedBy = noRoutes;
    this.#lastRefusal = undefined;
    this.start();
  }

  #leave(): void {
    this.#leaveHold?.();
    this.#leaveHold = undefined;
  }

  #onTimeout(): void {
    this.stop();
    this.#owner.onUnserved({ code: "tunnel_reconnecting", limit: "holdTimeoutMs", hit: "hold_time" });
  }
}
