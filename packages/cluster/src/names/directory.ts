import {
  cannotTellReason,
  closeCodes,
  evictedReason,
  otherGateReason,
  tooManyTunnels,
} from "mcp-tunnel-protocol";
import type { Claimant, ClaimResult, ClaimTerms, Directory, Verdict } from "../directory.js";
import type { ClaimAnswer, Engine, EngineEvent } from "../engine/engine.js";
import { identityOf, infoOf } from "../info.js";
import type { Peers } from "../peers/peers.js";
import type { Pool, Route } from "../route.js";
import { Claims } from "./claims.js";
import { Elsewhere, type FoundElsewhere, type LookTimes } from "./elsewhere.js";
import { type Granted, isDisplaced, type Own, OwnNames } from "./own-names.js";
import { type ClaimedMember, type MakePool, Pools } from "./pools.js";
import type { OwnAnswer } from "./questions.js";
import { awayRoute, type RouteTo } from "./remote.js";

/** How long a relay may take to hear that one of its tunnels has lost its name, in milliseconds. */
const displacedTimeoutMs = 2_000;

export interface DirectoryParts {
  /** The id of this relay. */
  readonly node: string;
  readonly engine: Engine;
  readonly peers: Pick<Peers, "get" | "all">;
  readonly routeTo: RouteTo;
  /**
   * Whether a tunnel that its relay has asked to move takes requests of other relays until it is gone.
   * Default: these requests wait for its successor.
   */
  readonly servesMoving?: boolean;
  readonly lookTimes?: LookTimes;
}

/**
 * Who serves which name, as one relay of a cluster knows it. The relay's own tunnels are found at once, those
 * of others through the engine ({@link Elsewhere}).
 *
 * What the engine grants is the truth, and each claim has a greater `gen` than all before. This relay hears
 * of a claim elsewhere in three ways: by the engine's event, by the word of the other relay, and by the
 * reconcile. Any two of them may fail.
 */
export class ClusterDirectory implements Directory {
  readonly #own = new OwnNames();
  readonly #claims = new Claims();
  readonly #elsewhere: Elsewhere;
  readonly #listeners = new Set<(name: string) => void>();
  readonly #node: string;
  readonly #engine: Engine;
  readonly #peers: Pick<Peers, "get" | "all">;
  readonly #servesMoving: boolean;
  readonly #pools: Pools;

  constructor(parts: DirectoryParts) {
    this.#node = parts.node;
    this.#engine = parts.engine;
    this.#peers = parts.peers;
    this.#servesMoving = parts.servesMoving === true;
    this.#pools = new Pools(parts.engine, async (name) => {
      this.#elsewhere.doubt(name);
      return this.#membersOf(name, await this.#elsewhere.find(name));
    });
    this.#elsewhere = new Elsewhere(parts.node, parts, (name) => this.#tell(name), parts.lookTimes);
  }

  /** From now on `makePool` makes a pool of its members. */
  usePools(makePool: MakePool): void {
    this.#pools.use(makePool);
  }

  // ---- for the relay

  find(name: string): Route | Pool | undefined | Promise<Route | Pool | undefined> {
    const alone = this.#ownAlone(name);
    if (alone !== undefined) return alone;
    const elsewhere = this.#elsewhere.find(name);
    // An array has no `then`.
    if (elsewhere === "unsure" || !("then" in elsewhere)) return this.#routeOf(name, elsewhere);
    return elsewhere.then((answer) => this.#routeOf(name, answer));
  }

  claim(claimant: Claimant, terms: ClaimTerms): Promise<ClaimResult> {
    const { name } = claimant;
    return this.#claims.run(name, async () => {
      let answer: ClaimAnswer;
      try {
        const info = infoOf(claimant.info);
        answer = await this.#engine.claim({ name, node: this.#node, info, ...terms });
      } catch {
        // If the engine has granted the claim all the same, the reconcile takes it back.
        return { refused: cannotTell };
      }
      if ("refused" in answer) return { refused: verdictOf(answer.refused, terms.maxOwned) };
      return { displaced: this.#onGranted(claimant, answer) };
    });
  }

  release(claimant: Claimant): void | Promise<void> {
    const own = this.#own.of(claimant);
    if (own === undefined) return;
    const { name } = claimant;
    this.#own.take(name, own.gen);
    return this.#engine.release(name, own.gen).then(
      () => this.#elsewhere.doubt(name),
      // The reconcile takes away what this relay does not hold any more.
      () => this.#elsewhere.doubt(name),
    );
  }

  changed(claimant: Claimant): void {
    const own = this.#own.of(claimant);
    if (own === undefined) return;
    const { name, isMoving } = claimant;
    // Whoever did not hear of it looks again by itself while requests wait.
    this.#engine.changed(name, own.gen, isMoving).catch(ignore);
    this.#tell(name);
  }

  watch(listener: (name: string) => void): () => void {
    const own = (name: string): void => listener(name);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  // ---- for other relays

  /** The tunnel that another relay means, unless it has lost its name, or its successor is to be awaited. */
  held(name: string, gen: number): Claimant | undefined {
    const claimant = this.#own.get(name).find((own) => own.gen === gen)?.claimant;
    return claimant !== undefined && this.#stays(claimant) ? claimant : undefined;
  }

  /** What this relay has of a name. */
  answerHas(name: string): OwnAnswer[] {
    return this.#own.get(name).map(({ claimant, gen }) => ({
      gen,
      info: infoOf(claimant.info),
      moving: claimant.isMoving,
      takes: !claimant.isAway && this.#stays(claimant),
    }));
  }

  // ---- what happens elsewhere

  /** A tunnel of another relay, or of this one, has got a name. Older tunnels lose it. */
  onClaimed(claim: Granted): void {
    this.#claims.after(claim.name, () => {
      const displaced = this.#own.takeDisplaced(claim);
      this.#elsewhere.doubt(claim.name);
      for (const { claimant } of displaced) claimant.displace(claim.by);
    });
  }

  onEvent(event: EngineEvent): void {
    if (event.kind !== "name") return;
    if (event.by === undefined) this.#elsewhere.doubt(event.name);
    else this.onClaimed({ name: event.name, gen: event.gen, by: event.by, pool: event.pool });
  }

  /** Any number of events may have been lost. */
  doubtAll(): void {
    this.#elsewhere.doubtAll();
  }

  /** The link to a relay has come or gone. */
  onPeer(node: string): void {
    this.#elsewhere.onPeer(node);
  }

  /**
   * Compares what this relay holds with what the engine knows, and repairs both.
   * @throws TunnelError `unavailable`.
   */
  async reconcile(): Promise<void> {
    for (const { name, gen, by } of await this.#engine.reconcile(this.#node, this.#own.held())) {
      const lost = this.#own.take(name, gen);
      if (lost === undefined) continue;
      this.#elsewhere.doubt(name);
      lost.claimant.displace(by);
    }
  }

  close(): void {
    this.#elsewhere.close();
  }

  // ---- inside

  #onGranted(claimant: Claimant, { gen, displaced }: Extract<ClaimAnswer, { gen: number }>): Claimant[] {
    const { name, info } = claimant;
    const claim: Granted = { name, gen, by: identityOf(info), pool: info.pool };
    const lost = this.#own.takeDisplaced(claim).map((own) => own.claimant);
    for (const { node } of displaced) if (node !== this.#node) this.#tellDisplaced(node, claim);
    const own: Own = { claimant, gen };
    // Answers may come in another order than the claims were granted in.
    const successor = this.#own.get(name).find((other) => isDisplaced(own, grantOf(other)));
    if (successor === undefined) this.#own.add(own);
    else claimant.displace(identityOf(successor.claimant.info));
    this.#elsewhere.doubt(name);
    return lost;
  }

  /** Does not wait: the event and the reconcile say the same. */
  #tellDisplaced(node: string, claim: Granted): void {
    this.#peers.get(node)?.ask("displaced", claim, displacedTimeoutMs).catch(ignore);
  }

  #routeOf(name: string, elsewhere: FoundElsewhere): Route | Pool | undefined {
    // The name may have been claimed here meanwhile.
    const alone = this.#ownAlone(name);
    if (alone !== undefined) return alone;
    const others = elsewhere === "unsure" ? [] : elsewhere;
    const [other] = others;
    const isPool = this.#own.get(name).length > 0 || other?.entry.info.pool !== undefined;
    const nobody = elsewhere === "unsure" ? awayRoute : undefined;
    const found = isPool ? this.#pools.of(name, this.#membersOf(name, others)) : (other?.route ?? nobody);
    // Of a pool any member may be the one that a request waits for, because it has the request's session.
    const isMissed = isPool ? others.some(({ route }) => route.isAway) : found?.isAway === true;
    if (isMissed) this.#elsewhere.await(name);
    return found;
  }

  /** A tunnel of this relay that is no member of a pool has its name for itself. */
  #ownAlone(name: string): Claimant | undefined {
    const claimant = this.#own.get(name)[0]?.claimant;
    return claimant?.info.pool === undefined ? claimant : undefined;
  }

  #membersOf(name: string, elsewhere: FoundElsewhere): readonly ClaimedMember[] {
    const others = elsewhere === "unsure" ? [] : elsewhere;
    return [
      ...this.#own.get(name).map(({ claimant, gen }) => ({ route: claimant, info: claimant.info, gen })),
      ...others.map(({ entry, route }) => ({ route, info: entry.info, gen: entry.gen })),
    ];
  }

  #stays({ isMoving }: Claimant): boolean {
    return this.#servesMoving || !isMoving;
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

const ignore = (): void => {};

const cannotTell: Verdict = { code: closeCodes.tryAgainLater, reason: cannotTellReason };

function verdictOf(refused: "taken" | "gate" | "limit", maxOwned: number): Verdict {
  if (refused === "taken") return { code: closeCodes.evicted, reason: evictedReason };
  const reason = refused === "gate" ? otherGateReason : tooManyTunnels(maxOwned);
  return { code: closeCodes.authenticationFailed, reason };
}

function grantOf({ claimant, gen }: Own): Granted {
  const { name, info } = claimant;
  return { name, gen, by: identityOf(info), pool: info.pool };
}
