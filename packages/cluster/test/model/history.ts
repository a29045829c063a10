import { expect } from "vitest";
import type { ClaimantInfo, ClientIdentity } from "../../src/directory.js";
import type { Entry } from "../../src/engine/engine.js";

/** A claim that was granted, and when it was sent and answered, in steps of one counter. */
interface Grant {
  readonly entry: Entry;
  readonly sent: number;
  readonly answered: number;
}

/** A tunnel that its node was told to have lost. */
interface Loss {
  readonly name: string;
  readonly gen: number;
  readonly by: ClientIdentity;
}

/** What happened, and what must be true of it whatever the order of steps that ran at once. */
export class History {
  readonly #grants: Grant[] = [];
  readonly #losses: Loss[] = [];
  #step = 0;

  step(): number {
    return ++this.#step;
  }

  granted(entry: Entry, sent: number): void {
    const answered = this.step();
    const { name, gen } = entry;
    expect(Number.isSafeInteger(gen)).toBe(true);
    for (const other of this.#grants) {
      if (other.entry.name !== name) continue;
      expect(other.entry.gen, `two claims of ${name} have one number`).not.toBe(gen);
      if (other.answered < sent) expect(gen, `a later claim of ${name}`).toBeGreaterThan(other.entry.gen);
    }
    this.#grants.push({ entry, sent, answered });
  }

  lost(loss: Loss): void {
    this.#losses.push(loss);
  }

  /** Every entry that is found was claimed, by the same client at the same node. */
  checkFound(found: readonly Entry[]): void {
    for (const entry of found) expect({ ...entry, moving: false }).toEqual(this.#claimOf(entry));
  }

  isDisplaced({ name, gen, info }: Entry): boolean {
    return this.#grants.some(
      ({ entry }) => entry.name === name && entry.gen > gen && makesWay(info, entry.info),
    );
  }

  /** Nobody lost a name without a newer claim before which its tunnel makes way. */
  checkLosses(): void {
    for (const { name, gen, by } of this.#losses) {
      const loser = this.#claimOf({ name, gen });
      const winner = this.#grants.find(
        ({ entry }) =>
          entry.name === name &&
          entry.gen > gen &&
          makesWay(loser.info, entry.info) &&
          entry.info.owner === by.owner &&
          entry.info.instance === by.instance,
      );
      expect(winner, `the loss of ${name} ${gen}`).toBeDefined();
    }
  }

  #claimOf({ name, gen }: Pick<Entry, "name" | "gen">): Entry {
    const grant = this.#grants.find(({ entry }) => entry.name === name && entry.gen === gen);
    if (grant === undefined) throw new Error(`nobody has claimed ${name} ${gen}`);
    return grant.entry;
  }
}

/** The rule of the documentation: members of one pool share a name, and other tunnels have it alone. */
export function makesWay(older: ClaimantInfo, newer: ClaimantInfo): boolean {
  if (older.owner !== newer.owner) return true;
  if (older.instance !== undefined && older.instance === newer.instance) return true;
  return newer.pool === undefined || newer.pool !== older.pool;
}
