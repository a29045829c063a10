import { closeCodes, evictedReason, meet } from "mcp-tunnel-protocol";
import type { Verdict } from "../directory.js";
import { identityOf } from "../info.js";
import {
  type ClaimAnswer,
  type ClaimRequest,
  defaultTimes,
  type Engine,
  type EngineEvent,
  type EngineTimes,
  type Entry,
  type Held,
  type Lost,
  type NodeInfo,
  stickyMs,
} from "./engine.js";
import { EntryTable } from "./entry-table.js";
import { Expiring } from "./expiring.js";
import { isSameClient, keyOf, makesWay } from "./rules.js";

/** What is known of a node until its names are swept. */
interface Lease {
  /** `undefined` for a node that has claimed names and never joined. */
  info: NodeInfo | undefined;
  until: number;
}

/**
 * The engine of relays in one process, and the measure for all others. Its clock is `Date.now`. It does its
 * work when it is asked, so it has no timers, and it is never unavailable.
 */
export class MemoryEngine implements Engine {
  readonly #times: EngineTimes;
  readonly #leases = new Map<string, Lease>();
  readonly #entries = new EntryTable();
  /** The greatest `gen` of all names. One number serves them all, so that no free name has to be kept. */
  #lastGen = 0;
  readonly #verdicts = new Expiring<Verdict>();
  /** The tunnels that were displaced, by {@link keyOf}: their nodes may not have heard of it. */
  readonly #displaced = new Expiring<Lost>();
  readonly #members = new Expiring<Entry>();
  readonly #locks = new Expiring<string>();
  readonly #texts = new Map<string, { readonly text: string; readonly revision: number }>();
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  /** `times`: those that are not the defaults. */
  constructor(times: Partial<EngineTimes> = {}) {
    this.#times = { ...defaultTimes, ...times };
  }

  // ---- nodes

  async join(node: NodeInfo): Promise<void> {
    await this.renew(node);
  }

  async renew(node: NodeInfo): Promise<void> {
    const wasAlive = this.#isAlive(node.id);
    const lease = this.#lease(node.id);
    const before = lease.info;
    lease.info = { ...node };
    lease.until = Date.now() + this.#times.leaseMs;
    const isSame = before?.draining === node.draining && before.address === node.address;
    if (!wasAlive || !isSame) this.#tell({ kind: "nodes" });
  }

  async leave(node: string): Promise<void> {
    if (!this.#isAlive(node)) return;
    this.#lease(node).until = Date.now();
    this.#tell({ kind: "nodes" });
  }

  async nodes(): Promise<NodeInfo[]> {
    return [...this.#leases.values()].flatMap(({ info, until }) =>
      info !== undefined && until > Date.now() ? [info] : [],
    );
  }

  #isAlive(node: string): boolean {
    const lease = this.#leases.get(node);
    return lease?.info !== undefined && lease.until > Date.now();
  }

  /** The names of a node without a lease are kept from the last time that it was heard of. */
  #lease(node: string): Lease {
    const lease = this.#leases.get(node) ?? { info: undefined, until: 0 };
    lease.until = Math.max(lease.until, Date.now());
    this.#leases.set(node, lease);
    return lease;
  }

  // ---- names

  async find(name: string): Promise<Entry[]> {
    return this.#kept(this.#entries.named(name));
  }

  async claim({ name, node, info, mayEvict, maxOwned }: ClaimRequest): Promise<ClaimAnswer> {
    this.#sweepNodes();
    const named = this.#entries.named(name);
    if (named.some((entry) => meet(entry.info, info) === "other_gate")) return { refused: "gate" };
    const displaced = named.filter((entry) => makesWay(entry.info, info));
    if (!mayEvict && displaced.some((entry) => !isSameClient(entry.info, info))) return { refused: "taken" };
    const counted = this.#entries
      .ownedBy(info.owner)
      .filter((entry) => !entry.moving && !displaced.includes(entry));
    if (counted.length >= maxOwned) return { refused: "limit" };
    const gen = Math.max(this.#lastGen + 1, Date.now() * 1_000);
    this.#lease(node);
    this.#grant({ name, node, gen, info, moving: false }, displaced);
    return { gen, displaced };
  }

  async release(name: string, gen: number): Promise<boolean> {
    const entry = this.#entries.get(name, gen);
    if (entry !== undefined) this.#remove(entry);
    return entry !== undefined;
  }

  async changed(name: string, gen: number, moving: boolean): Promise<void> {
    const entry = this.#entries.get(name, gen);
    if (entry !== undefined) this.#change(entry, moving);
  }

  async reconcile(node: string, held: readonly Held[]): Promise<Lost[]> {
    this.#sweepNodes();
    this.#lease(node);
    const lost = held.flatMap((tunnel) => this.#reconcileOne(node, tunnel) ?? []);
    const keys = new Set(held.map(keyOf));
    // The node may not have the answer to a younger claim yet.
    const before = (Date.now() - this.#times.leaseMs) * 1_000;
    for (const entry of this.#entries.of(node)) {
      if (entry.gen <= before && !keys.has(keyOf(entry))) this.#remove(entry);
    }
    return lost;
  }

  #reconcileOne(node: string, held: Held): Lost | undefined {
    const { name, gen, info, moving } = held;
    const known = this.#entries.get(name, gen);
    if (known !== undefined) {
      if (known.moving !== moving) this.#change(known, moving);
      return undefined;
    }
    const rivals = this.#entries.named(name).filter((other) => makesWay(other.info, info));
    const newer = rivals.find((rival) => rival.gen > gen);
    if (newer !== undefined) return { name, gen, by: identityOf(newer.info) };
    const displaced = this.#displaced.get(keyOf(held));
    if (displaced !== undefined) return displaced;
    this.#grant({ name, node, gen, info, moving }, rivals);
    return undefined;
  }

  #grant(entry: Entry, displaced: readonly Entry[]): void {
    const { name, gen, info } = entry;
    const by = identityOf(info);
    for (const old of displaced) {
      this.#entries.delete(old);
      this.#displaced.set(keyOf(old), { name, gen: old.gen, by }, this.#times.verdictMs);
      if (old.info.session === undefined || isSameClient(old.info, info)) continue;
      const evicted = { code: closeCodes.evicted, reason: evictedReason };
      this.#verdicts.set(old.info.session, evicted, this.#times.verdictMs);
    }
    this.#entries.add(entry);
    this.#lastGen = Math.max(this.#lastGen, gen);
    this.#tell({ kind: "name", name, gen, by, pool: info.pool });
  }

  #change(entry: Entry, moving: boolean): void {
    this.#entries.delete(entry);
    this.#entries.add({ ...entry, moving });
    this.#tell({ kind: "name", name: entry.name, gen: entry.gen });
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry);
    this.#tell({ kind: "name", name: entry.name, gen: entry.gen });
  }

  #isOver({ until }: Lease): boolean {
    return until + this.#times.keepNamesMs <= Date.now();
  }

  #kept(entries: readonly Entry[]): Entry[] {
    return entries.filter(({ node }) => {
      const lease = this.#leases.get(node);
      return lease !== undefined && !this.#isOver(lease);
    });
  }

  #sweepNodes(): void {
    for (const [node, lease] of this.#leases) {
      if (!this.#isOver(lease)) continue;
      for (const entry of this.#entries.of(node)) this.#remove(entry);
      this.#leases.delete(node);
    }
  }

  // ---- sessions

  async verdict(session: string): Promise<Verdict | undefined> {
    return this.#verdicts.get(session);
  }

  async remember(session: string, verdict: Verdict): Promise<void> {
    this.#verdicts.set(session, verdict, this.#times.verdictMs);
  }

  async stick(name: string, digest: string, gen: number): Promise<void> {
    const entry = this.#entries.get(name, gen);
    if (entry !== undefined) this.#members.set(`${name} ${digest}`, entry, stickyMs);
  }

  async stuck(name: string, digest: string): Promise<number | undefined> {
    const member = this.#members.get(`${name} ${digest}`);
    if (member === undefined) return undefined;
    const now = this.#kept(this.#entries.named(name)).find(
      ({ gen, info }) => gen === member.gen || isSameClient(info, member.info),
    );
    if (now === undefined) return undefined;
    this.#members.set(`${name} ${digest}`, now, stickyMs);
    return now.gen;
  }

  // ---- what nodes share besides

  async read(key: string): Promise<{ readonly text: string; readonly revision: number } | undefined> {
    return this.#texts.get(key);
  }

  async write(key: string, text: string, expected: number): Promise<boolean> {
    const revision = this.#texts.get(key)?.revision ?? 0;
    if (revision !== expected) return false;
    this.#texts.set(key, { text, revision: revision + 1 });
    return true;
  }

  async lock(key: string, node: string, ms: number): Promise<boolean> {
    if ((this.#locks.get(key) ?? node) !== node) return false;
    this.#locks.set(key, node, ms);
    return true;
  }

  watch(listener: (event: EngineEvent) => void): () => void {
    // A function of its own, so that a listener that is given twice is called twice.
    const told = (event: EngineEvent): void => listener(event);
    this.#listeners.add(told);
    return () => this.#listeners.delete(told);
  }

  /** Later than the step, so that listeners find it finished, and their errors are not the caller's. */
  #tell(event: EngineEvent): void {
    for (const listener of this.#listeners) {
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener(event);
      });
    }
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
