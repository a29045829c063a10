import { eventCost } from "../capture/costs.js";
import type { Captured, CapturedEvent } from "../captured.js";

/** What there is to read of an exchange: its request, its head, its end, or an event of its answer. */
export type News = "requested" | "answered" | "over" | CapturedEvent;

/** News that waits. Three of each exchange that the ring keeps by default, and some more. */
const maxItems = 8_192;
/** The texts of events that wait, in bytes. The ring does not count those that it has let go. */
const maxEventBytes = 4 * 1_024 * 1_024;

/** Empty once it was taken or dropped. */
interface Item {
  entry: Captured | undefined;
  news: News | undefined;
  /** The item of the same entry that came before. */
  before: Item | undefined;
}

/** News of exchanges that was not read yet, in the order in which it came. */
export class Unread {
  /** Used round and round. */
  readonly #places: (Item | undefined)[] = [];
  readonly #lastOf = new Map<Captured, Item>();
  #first = 0;
  #next = 0;
  #eventBytes = 0;

  /** It is full: the oldest have to be taken before others come. */
  get isFull(): boolean {
    return this.#next - this.#first === maxItems || this.#eventBytes > maxEventBytes;
  }

  has(entry: Captured): boolean {
    return this.#lastOf.has(entry);
  }

  /** It must not be {@link isFull}. */
  add(entry: Captured, news: News): void {
    const item: Item = { entry, news, before: this.#lastOf.get(entry) };
    this.#places[this.#next % maxItems] = item;
    this.#next += 1;
    this.#lastOf.set(entry, item);
    this.#eventBytes += bytesOf(news);
  }

  /** Takes the oldest. */
  take(): { readonly entry: Captured; readonly news: News } | undefined {
    const item = this.#places[this.#first % maxItems];
    if (item?.entry === undefined || item.news === undefined) return undefined;
    const { entry, news } = item;
    this.#empty(item);
    this.#skipEmpty();
    if (this.#lastOf.get(entry) === item) this.#lastOf.delete(entry);
    return { entry, news };
  }

  /** Drops what waits of an entry. */
  drop(entry: Captured): void {
    let item: Item | undefined = this.#lastOf.get(entry);
    if (item === undefined) return;
    this.#lastOf.delete(entry);
    while (item !== undefined) {
      const before: Item | undefined = item.before;
      this.#empty(item);
      item = before;
    }
    this.#skipEmpty();
  }

  #empty(item: Item): void {
    this.#eventBytes -= bytesOf(item.news);
    item.entry = undefined;
    item.news = undefined;
    item.before = undefined;
  }

  /** Makes room where the oldest were. */
  #skipEmpty(): void {
    while (this.#first < this.#next) {
      const place = this.#first % maxItems;
      if (this.#places[place]?.entry !== undefined) return;
      this.#places[place] = undefined;
      this.#first += 1;
    }
  }
}

function bytesOf(news: News | undefined): number {
  return typeof news === "object" ? eventCost(news) : 0;
}
