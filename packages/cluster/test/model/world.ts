import { expect } from "vitest";
import type { ClaimantInfo } from "../../src/directory.js";
import type { Entry, EngineTimes } from "../../src/engine/engine.js";
import { evicted, TestCluster, type SharedState } from "../contract/test-cluster.js";
import { History, makesWay } from "./history.js";
import { keyOf, ModelNode } from "./node.js";

export type Step =
  /** `isUnheard`: the answer does not reach the node. */
  | { do: "claim"; node: number; name: string; client: Client; mayEvict: boolean; isUnheard: boolean }
  | { do: "release" | "moves" | "forget"; node: number; at: number }
  | { do: "reconcile" | "renew" | "die" | "deaf"; node: number }
  /** Longer than names are kept. The nodes that are alive renew their leases meanwhile. */
  | { do: "long" };

export type Client = Pick<ClaimantInfo, "owner" | "instance" | "pool">;

/** How many tunnels an owner may have. */
export const maxOwned = 3;

/** Three nodes with an engine, and what the engine must do whatever they do. */
export class World {
  readonly #cluster: TestCluster;
  readonly #times: EngineTimes;
  readonly #nodes: ModelNode[] = [];
  readonly #history = new History();
  readonly #names = new Set<string>();
  /** Entries that the engine has lost, by {@link keyOf}. Their nodes may not have reconciled since. */
  readonly #forgotten = new Set<string>();
  /** Owners that may be beyond their limit, because the engine lost an entry of theirs and got it back. */
  readonly #unlimited = new Set<string>();
  #sessions = 0;

  constructor(state: SharedState, times: EngineTimes) {
    this.#cluster = new TestCluster(state);
    this.#times = times;
  }

  async start(): Promise<void> {
    for (let i = 0; i < 3; i++) this.#nodes.push(new ModelNode(await this.#cluster.node(), this.#history));
  }

  async close(): Promise<void> {
    await this.#cluster.close();
  }

  /** Steps that run at once, and what must be true afterwards. */
  async run(steps: readonly Step[]): Promise<void> {
    const isAlone = steps.length === 1;
    await Promise.all(steps.map((step) => this.#do(step, isAlone)));
    await this.#check();
  }

  #node(at: number): ModelNode {
    const node = this.#nodes[at];
    if (node === undefined) throw new Error(`there is no node ${at}`);
    return node;
  }

  async #do(step: Step, isAlone: boolean): Promise<void> {
    if (step.do === "long") return this.#long();
    const node = this.#node(step.node);
    switch (step.do) {
      case "claim":
        return this.#claim(node, step, isAlone);
      case "release":
        return node.release(node.pick(step.at));
      case "moves":
        return node.moves(node.pick(step.at));
      case "forget":
        return this.#forget(node, node.pick(step.at));
      case "reconcile":
        return node.reconcile();
      case "renew":
        return node.renew();
      case "die":
        return node.die();
      case "deaf":
        node.isDeaf = !node.isDeaf;
    }
  }

  async #claim(node: ModelNode, step: Extract<Step, { do: "claim" }>, isAlone: boolean): Promise<void> {
    const { name, client, mayEvict, isUnheard } = step;
    this.#names.add(name);
    const info: ClaimantInfo = {
      ...client,
      address: "192.0.2.1",
      session: `session${++this.#sessions}`,
      wire: "v1",
      takesRefusals: false,
    };
    const before = isAlone ? await this.#found() : [];
    const sent = this.#history.step();
    const answer = await node.test.claim(name, info, { mayEvict, maxOwned });
    const losers = before.filter((entry) => entry.name === name && makesWay(entry.info, info));
    const others = losers.filter((loser) => !isOfClient(loser, info));
    if ("refused" in answer) {
      if (!isAlone) return;
      const hasOtherGate = others.some(({ info: other }) => {
        const arePools = other.pool !== undefined && info.pool !== undefined;
        return arePools && other.owner === info.owner && other.pool !== info.pool;
      });
      const isTaken = !mayEvict && others.length > 0;
      expect(answer.refused).toBe(hasOtherGate ? "gate" : isTaken ? "taken" : "limit");
      if (answer.refused === "limit")
        expect(countOwned(before, info.owner, losers)).toBeGreaterThanOrEqual(maxOwned);
      return;
    }
    const entry = { name, node: node.test.id, gen: answer.gen, info, moving: false };
    this.#history.granted(entry, sent);
    if (!isUnheard) node.got(entry);
    for (const loser of answer.displaced) {
      expect(makesWay(loser.info, info)).toBe(true);
      if (isOfClient(loser, info)) continue;
      expect(mayEvict).toBe(true);
      expect(await node.test.engine.verdict(loser.info.session as string)).toEqual(evicted);
    }
    if (!isAlone) return;
    expect(new Set(answer.displaced.map(({ gen }) => gen))).toEqual(new Set(losers.map(({ gen }) => gen)));
    if (!this.#unlimited.has(info.owner)) {
      expect(countOwned(await this.#found(), info.owner, [])).toBeLessThanOrEqual(maxOwned);
    }
  }

  /** The engine loses an entry, as by a failover. */
  async #forget(node: ModelNode, entry: Entry | undefined): Promise<void> {
    if (entry === undefined) return;
    this.#unlimited.add(entry.info.owner);
    this.#forgotten.add(keyOf(entry));
    await node.test.engine.release(entry.name, entry.gen);
  }

  async #long(): Promise<void> {
    if (this.#cluster.state.advance === undefined) return;
    const { leaseMs, keepNamesMs } = this.#times;
    for (let passed = 0; passed <= leaseMs + keepNamesMs; passed += leaseMs / 2) {
      await this.#cluster.pass(leaseMs / 2);
      for (const node of this.#nodes) await node.endure();
    }
  }

  async #found(): Promise<Entry[]> {
    const { engine } = this.#node(0).test;
    const found = await Promise.all([...this.#names].map((name) => engine.find(name)));
    return found.flat();
  }

  /**
   * At any time: a name has one tunnel, or members of one pool, and all were claimed as they are found. What
   * a node holds is found, or a newer claim has displaced it, or the engine has lost it, or the node was
   * dead for long.
   */
  async #check(): Promise<Entry[]> {
    const found = await this.#found();
    this.#history.checkFound(found);
    const keys = new Set(found.map(keyOf));
    for (const entry of this.#nodes.flatMap((node) => (node.mayBeSwept ? [] : node.all()))) {
      if (keys.has(keyOf(entry)) || this.#forgotten.has(keyOf(entry))) continue;
      expect(this.#history.isDisplaced(entry), `${entry.name} is not found`).toBe(true);
    }
    for (const [at, entry] of found.entries()) {
      const rivals = found.filter((other, place) => place !== at && other.name === entry.name);
      for (const rival of rivals)
        expect(makesWay(rival.info, entry.info), `holders of ${entry.name}`).toBe(false);
    }
    return found;
  }

  /**
   * Lets the nodes reconcile. After that every tunnel that a node still holds is found, and nothing else. So
   * whoever has lost a name was told, and nobody lost a name whose node was told nothing.
   */
  async settle(): Promise<void> {
    // Claims whose answers were lost are old enough to be taken away.
    await this.#cluster.pass(this.#times.leaseMs + 5);
    for (const node of this.#nodes) {
      node.isDeaf = true;
      await node.renew();
    }
    // An older claim that was put back makes way to a newer one, whose node reconciles later.
    for (let round = 0; round < 2; round++) for (const node of this.#nodes) await node.reconcile();
    const found = await this.#check();
    const known = this.#nodes.flatMap((node) => node.all());
    expect(inOrder(found)).toEqual(inOrder(known));
    this.#history.checkLosses();
    const { engine } = this.#node(0).test;
    for (const { info } of known) expect(await engine.verdict(info.session as string)).toBeUndefined();
  }
}

function isOfClient({ info }: Entry, { owner, instance }: Client): boolean {
  return instance !== undefined && info.instance === instance && info.owner === owner;
}

function countOwned(entries: readonly Entry[], owner: string, without: readonly Entry[]): number {
  return entries.filter((entry) => entry.info.owner === owner && !entry.moving && !without.includes(entry))
    .length;
}

function inOrder(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((one, other) => one.gen - other.gen || (one.name < other.name ? -1 : 1));
}
