import type { EngineTimes, Held, Lost } from "../engine.js";
import { keyOf } from "../rules.js";
import { entryLine, evictedText, readIdentity } from "./reading.js";
import { compare, drop, inventory, sweep } from "./scripts/reconcile.js";
import type { Script } from "./scripts/script.js";

/** Tunnels that one script takes: some milliseconds of the server, in which it does nothing else. */
const chunkSize = 500;
/** Names that one script sweeps, and scripts of this kind in one reconcile. The next one goes on. */
const sweepSize = 200;
const mostSweeps = 10;

type Run = (script: Script, ...args: readonly (string | number)[]) => Promise<unknown>;

/**
 * One comparison of what a node holds with what the engine knows, in steps. Between them the node goes on, so
 * what it releases or changes meanwhile is left out: its picture here is older.
 */
export class Reconcile {
  readonly #node: string;
  readonly #held: readonly Held[];
  readonly #times: EngineTimes;
  readonly #run: Run;
  readonly #leftOut = new Set<string>();
  readonly #lost: Lost[] = [];
  #putBack = 0;

  constructor(node: string, held: readonly Held[], times: EngineTimes, run: Run) {
    this.#node = node;
    this.#held = held;
    this.#times = times;
    this.#run = run;
  }

  /** The node has released or changed a tunnel. */
  leaveOut(name: string, gen: number): void {
    this.#leftOut.add(keyOf({ name, gen }));
  }

  /** Returns what the node has lost, and how many entries were put back. */
  async run(): Promise<{ readonly lost: Lost[]; readonly putBack: number }> {
    await this.#sweep();
    let known = { entries: 0, losses: 0 };
    let at = 0;
    do {
      known = await this.#compare(this.#held.slice(at, at + chunkSize));
      at += chunkSize;
    } while (at < this.#held.length);
    const expected = this.#held.length - this.#lost.length;
    if (known.entries !== expected || known.losses > this.#lost.length) await this.#drop();
    return { lost: this.#lost, putBack: this.#putBack };
  }

  async #sweep(): Promise<void> {
    for (let i = 0; i < mostSweeps; i++) {
      const swept = await this.#run(sweep, this.#times.keepNamesMs, sweepSize);
      if (swept !== sweepSize) return;
    }
  }

  async #compare(part: readonly Held[]): Promise<{ entries: number; losses: number }> {
    const held = part.filter((tunnel) => !this.#leftOut.has(keyOf(tunnel)));
    const lines = held.flatMap((tunnel) => [tunnel.name, entryLine({ ...tunnel, node: this.#node })]);
    const reply = await this.#run(compare, this.#node, evictedText, this.#times.verdictMs, ...lines);
    const [putBack, entries, losses, ...lost] = reply as [number, number, number, ...(number | string)[]];
    this.#putBack += putBack;
    for (let i = 0; i + 1 < lost.length; i += 2) {
      const { name, gen } = held[Number(lost[i])] as Held;
      const by = readIdentity(String(lost[i + 1]));
      if (by !== undefined) this.#lost.push({ name, gen, by });
    }
    return { entries, losses };
  }

  /** Takes away what the engine has of the node and the node does not hold. */
  async #drop(): Promise<void> {
    const [entries, losses] = (await this.#run(inventory, this.#node)) as [string[], string[]];
    const held = new Set(this.#held.map(keyOf));
    const extra = [...new Set([...entries, ...losses])].filter((member) => !held.has(member));
    for (let at = 0; at < extra.length; at += chunkSize) {
      await this.#run(drop, this.#node, this.#times.leaseMs, ...extra.slice(at, at + chunkSize));
    }
  }
}
