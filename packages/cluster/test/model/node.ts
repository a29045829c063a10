import type { EngineEvent, Entry } from "../../src/engine/engine.js";
import { held, type TestNode } from "../contract/test-cluster.js";
import type { History } from "./history.js";

/** A relay that does what the engine's documentation asks of it, and believes what it is told. */
export class ModelNode {
  readonly test: TestNode;
  /** Events do not reach it. */
  isDeaf = false;
  #isAlive = true;
  /** It was dead for long, and has not reconciled since. */
  mayBeSwept = false;
  readonly #held = new Map<string, Entry>();
  readonly #history: History;

  constructor(test: TestNode, history: History) {
    this.test = test;
    this.#history = history;
    test.onEvent = (event) => this.#hear(event);
  }

  all(): Entry[] {
    return [...this.#held.values()];
  }

  pick(at: number): Entry | undefined {
    const all = this.all();
    return all[at % all.length];
  }

  got(entry: Entry): void {
    this.#held.set(keyOf(entry), entry);
  }

  async release(entry: Entry | undefined): Promise<void> {
    if (entry === undefined) return;
    this.#held.delete(keyOf(entry));
    await this.test.engine.release(entry.name, entry.gen);
  }

  /** A tunnel that moves stays so, as after GOAWAY. */
  async moves(entry: Entry | undefined): Promise<void> {
    if (entry === undefined) return;
    this.#held.set(keyOf(entry), { ...entry, moving: true });
    await this.test.engine.changed(entry.name, entry.gen, true);
  }

  async renew(): Promise<void> {
    this.#isAlive = true;
    await this.test.engine.renew(this.test.info);
  }

  /** What it does while time passes. */
  async endure(): Promise<void> {
    if (this.#isAlive) await this.renew();
    else this.mayBeSwept = true;
  }

  /** Its lease ends. It may be back later, as after a network that was cut. */
  async die(): Promise<void> {
    this.#isAlive = false;
    await this.test.engine.leave(this.test.id);
  }

  async reconcile(): Promise<void> {
    const lost = await this.test.engine.reconcile(this.test.id, this.all().map(held));
    this.mayBeSwept = false;
    for (const loss of lost) if (this.#held.delete(keyOf(loss))) this.#history.lost(loss);
  }

  #hear(event: EngineEvent): void {
    if (this.isDeaf || event.kind !== "name" || event.by === undefined) return;
    const { name, gen, by, pool } = event;
    for (const [key, entry] of this.#held) {
      if (entry.name !== name || entry.gen >= gen) continue;
      const { info } = entry;
      const isMate = pool !== undefined && info.pool === pool && info.owner === by.owner;
      const isOwn = by.instance !== undefined && info.instance === by.instance && info.owner === by.owner;
      if (isMate && !isOwn) continue;
      this.#held.delete(key);
      this.#history.lost({ name, gen: entry.gen, by });
    }
  }
}

export function keyOf({ name, gen }: { readonly name: string; readonly gen: number }): string {
  return `${name} ${gen}`;
}
