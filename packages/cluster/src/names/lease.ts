import type { Logger } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import type { Engine, NodeInfo } from "../engine/engine.js";

/** Times of a {@link Lease}, in milliseconds. */
export interface LeaseTimes {
  /** See EngineTimes. */
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly reconcileMs: number;
}

/** `leaseMs`: see {@link LeaseTimes}. A renewal may fail, and another one be late. */
export function leaseTimesOf(leaseMs: number): LeaseTimes {
  return { leaseMs, renewMs: leaseMs / 3, reconcileMs: 5_000 };
}

export interface LeaseOwner {
  /** This relay, as it is now. */
  ownNode(): NodeInfo;
  /** The relays that are alive now, this one among them. */
  onNodes(nodes: readonly NodeInfo[]): void;
  /** Anything may have happened that this relay has not heard of. */
  onMissed(): void;
  /** The engine has not answered. Called for each attempt. */
  onUnanswered(): void;
  /** It answers again. */
  onAnswered(): void;
  /** @throws TunnelError `unavailable`. */
  reconcile(): Promise<void>;
}

/** A relay's place at the engine: taken, kept, and found to be lost. */
export class Lease {
  /** Until then the engine counts this relay as alive, whatever happens. In `performance.now()`. */
  #heldUntil = 0;
  /** The last renewal or reconcile failed. */
  #isShaken = false;
  #isOver = false;
  #isRenewing = false;
  #isReconciling = false;
  #timers: NodeJS.Timeout[] = [];
  #unwatch: (() => void) | undefined;
  readonly #engine: Engine;
  readonly #owner: LeaseOwner;
  readonly #logger: Logger;
  readonly #times: LeaseTimes;

  constructor(engine: Engine, owner: LeaseOwner, logger: Logger, times: LeaseTimes) {
    this.#engine = engine;
    this.#owner = owner;
    this.#logger = logger;
    this.#times = times;
  }

  /** Others count on this relay, as far as it can know. */
  get isHeld(): boolean {
    return !this.#isOver && performance.now() < this.#heldUntil;
  }

  /** The engine has answered last. */
  get isAnswered(): boolean {
    return !this.#isShaken;
  }

  /** @throws TunnelError `unavailable`. */
  async begin(): Promise<void> {
    const startedAt = performance.now();
    // First, so that nothing is missed between the join and the look at the nodes.
    this.#unwatch = this.#engine.watch((event) => {
      if (event.kind === "nodes") void this.#attempt(() => this.#lookAnew());
    });
    await this.#engine.join(this.#owner.ownNode());
    this.#heldUntil = startedAt + this.#times.leaseMs;
    await this.#lookAtNodes();
    this.#timers = [
      setInterval(() => void this.#attempt(() => this.#renew()), this.#times.renewMs).unref(),
      setInterval(() => void this.#attempt(() => this.#reconcile()), this.#times.reconcileMs).unref(),
    ];
  }

  /** Says at once what has changed about this relay. Never rejects. */
  async announce(): Promise<void> {
    await this.#attempt(() => this.#engine.renew(this.#owner.ownNode()));
  }

  /** Gives the lease up. Never rejects. */
  async end(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#unwatch?.();
    this.#isOver = true;
    await this.#attempt(() => this.#engine.leave(this.#owner.ownNode().id));
  }

  async #renew(): Promise<void> {
    // The engine may take longer to fail than until the next turn.
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      const startedAt = performance.now();
      await this.#engine.renew(this.#owner.ownNode());
      this.#heldUntil = startedAt + this.#times.leaseMs;
      await this.#lookAtNodes();
      if (this.#isShaken) await this.#recover();
    } finally {
      this.#isRenewing = false;
    }
  }

  /** A relay has come or gone, or events may have been lost. */
  async #lookAnew(): Promise<void> {
    await this.#lookAtNodes();
    this.#owner.onMissed();
    await this.#reconcile();
  }

  async #recover(): Promise<void> {
    await this.#reconcile();
    this.#isShaken = false;
    this.#owner.onAnswered();
    this.#logger.info({}, "the engine answers again");
    this.#owner.onMissed();
  }

  async #reconcile(): Promise<void> {
    if (this.#isReconciling) return;
    this.#isReconciling = true;
    try {
      await this.#owner.reconcile();
    } finally {
      this.#isReconciling = false;
    }
  }

  async #lookAtNodes(): Promise<void> {
    this.#owner.onNodes(await this.#engine.nodes());
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      // Once the engine is closed, a renewal that is still on its way fails by that.
      if (this.#isOver) return;
      const wasShaken = this.#isShaken;
      this.#isShaken = true;
      this.#owner.onUnanswered();
      if (wasShaken) return;
      this.#logger.warn({ error: messageOf(error) }, "the engine does not answer");
    }
  }
}
