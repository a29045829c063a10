import { maxBodyBytes } from "../limits.js";

/** The newest items that fit into the bytes that a body may have. */
export class Newest<Item> {
  readonly #costOf: (item: Item) => number;
  readonly kept: Item[] = [];
  dropped = 0;
  /** Memory that is held. */
  held = 0;

  constructor(costOf: (item: Item) => number) {
    this.#costOf = costOf;
  }

  add(item: Item): void {
    this.kept.push(item);
    this.held += this.#costOf(item);
    while (this.held > maxBodyBytes) {
      this.held -= this.#costOf(this.kept.shift() as Item);
      this.dropped += 1;
    }
  }
}
