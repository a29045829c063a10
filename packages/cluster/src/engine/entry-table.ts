import type { Entry } from "./engine.js";

/** The entries that there are, found by name, by owner and by node. */
export class EntryTable {
  readonly #byName = new Map<string, Set<Entry>>();
  readonly #byOwner = new Map<string, Set<Entry>>();
  readonly #byNode = new Map<string, Set<Entry>>();

  named(name: string): Entry[] {
    return [...(this.#byName.get(name) ?? [])];
  }

  ownedBy(owner: string): Entry[] {
    return [...(this.#byOwner.get(owner) ?? [])];
  }

  of(node: string): Entry[] {
    return [...(this.#byNode.get(node) ?? [])];
  }

  get(name: string, gen: number): Entry | undefined {
    return this.named(name).find((entry) => entry.gen === gen);
  }

  add(entry: Entry): void {
    for (const [index, key] of this.#places(entry)) {
      const entries = index.get(key);
      if (entries === undefined) index.set(key, new Set([entry]));
      else entries.add(entry);
    }
  }

  delete(entry: Entry): void {
    for (const [index, key] of this.#places(entry)) {
      const entries = index.get(key);
      entries?.delete(entry);
      if (entries?.size === 0) index.delete(key);
    }
  }

  #places({ name, info, node }: Entry): [Map<string, Set<Entry>>, string][] {
    return [
      [this.#byName, name],
      [this.#byOwner, info.owner],
      [this.#byNode, node],
    ];
  }
}
