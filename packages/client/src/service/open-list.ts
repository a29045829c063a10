/** What may be in an {@link OpenList}, whose chain runs through it. */
export interface Linked<Item> {
  previous: Item | undefined;
  next: Item | undefined;
}

/**
 * What a service has open. A `Set` would keep what has long left it (`stream-table.ts` of the protocol says
 * why).
 */
export class OpenList<Item extends Linked<Item>> {
  #newest: Item | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes an item that is not there. */
  add(item: Item): void {
    item.previous = this.#newest;
    if (this.#newest !== undefined) this.#newest.next = item;
    this.#newest = item;
    this.#size += 1;
  }

  /** Takes out an item that is there. */
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
