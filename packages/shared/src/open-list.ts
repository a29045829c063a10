/** An item of an {@link OpenList}, with the links of the list. */
export interface Linked<Item> {
  previous: Item | undefined;
  next: Item | undefined;
}

/**
 * Open requests or connections. A `Set` would keep items that have long left it (`stream-table.ts` of the
 * protocol says why).
 */
export class OpenList<Item extends Linked<Item>> {
  #newest: Item | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The item that was added last, of those in the list. */
  get newest(): Item | undefined {
    return this.#newest;
  }

  /** Adds an item that is not in the list. */
  add(item: Item): void {
    item.previous = this.#newest;
    if (this.#newest !== undefined) this.#newest.next = item;
    this.#newest = item;
    this.#size += 1;
  }

  /** Removes an item that is in the list. */
  delete(item: Item): void {
    if (item.next === undefined) this.#newest = item.previous;
    else item.next.previous = item.previous;
    if (item.previous !== undefined) item.previous.next = item.next;
    item.previous = undefined;
    item.next = undefined;
    this.#size -= 1;
  }

  toArray(): Item[] {
    const all: Item[] = [];
    for (let item = this.#newest; item !== undefined; item = item.previous) all.push(item);
    return all;
  }
}
