import type { RequestHead } from "mcp-tunnel-protocol";
import type { ServedTunnel } from "mcp-tunnel-client";
import type { Captured, CaptureListener, Ring } from "../captured.js";
import { Blocks } from "./blocks.js";
import { gone, type Tell } from "./telling.js";

/** An entry, as the ring keeps it. */
export interface RingEntry extends Captured {
  /** What it counts of the ring's bytes. Whoever changes it tells the ring. */
  readonly cost: number;
  /** Whether the exchange is open on that stream. */
  isOn(tunnel: ServedTunnel, streamId: number): boolean;
  /** The service gets `head`. */
  passed(head: RequestHead): void;
  /** It is not in the ring any more. */
  leave(): void;
  /** All listeners know that it has left. */
  left(): void;
}

interface RingBounds {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/**
 * Keeps the newest entries within a number and a number of bytes. Their ids follow on one another, and the
 * oldest leaves first, so that an id gives the place. Listeners are told while nothing leaves: what is too
 * much leaves when they all know.
 */
export class EntryRing implements Ring {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Of the bodies of its entries. */
  readonly blocks = new Blocks();
  readonly #listeners: readonly CaptureListener[];
  readonly #places: (RingEntry | undefined)[] = [];
  #oldestId = 1;
  #nextId = 1;
  #bytes = 0;
  /** How many calls to listeners are going on, one within another. */
  #telling = 0;

  constructor({ maxBytes, maxEntries }: RingBounds, listeners: readonly CaptureListener[]) {
    this.maxBytes = maxBytes;
    this.maxEntries = maxEntries;
    this.#listeners = listeners;
  }

  /** The id of the next entry. */
  get nextId(): number {
    return this.#nextId;
  }

  get size(): number {
    return this.#nextId - this.#oldestId;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find(id: number): RingEntry | undefined {
    return id >= this.#oldestId && id < this.#nextId ? this.#places[this.#placeOf(id)] : undefined;
  }

  *entries(): Iterable<RingEntry> {
    for (let id = this.#oldestId; id < this.#nextId; id++) {
      // While somebody reads them, the oldest may leave.
      const entry = this.find(id);
      if (entry !== undefined) yield entry;
    }
  }

  /**
   * The newest entry on that stream. It is one of the last, unless somebody has thought about it for long.
   */
  findOpen(tunnel: ServedTunnel, streamId: number): RingEntry | undefined {
    for (let id = this.#nextId - 1; id >= this.#oldestId; id--) {
      const entry = this.find(id);
      if (entry?.isOn(tunnel, streamId) === true) return entry;
    }
    return undefined;
  }

  /** Takes an entry with the next id. */
  add(entry: RingEntry): void {
    if (this.size === this.maxEntries) this.#evict(this.#oldestId + 1);
    this.#places[this.#placeOf(this.#nextId)] = entry;
    this.#nextId += 1;
    this.#bytes += entry.cost;
  }

  /** The cost of an entry has changed by so much. {@link fit} follows. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Lets the oldest entries go until the others fit. */
  fit(): void {
    if (this.#telling > 0) return;
    while (this.#bytes > this.maxBytes && this.size > 0) this.#evict(this.#oldestId + 1);
  }

  /** Lets all entries go. */
  clear(): void {
    this.#evict(this.#nextId);
  }

  still(work: () => void): void {
    this.#telling += 1;
    try {
      work();
    } finally {
      this.#telling -= 1;
      this.fit();
    }
  }

  /** Tells all listeners. */
  tell<Detail>(how: Tell<Detail>, entry: Captured, detail: Detail): void {
    this.#telling += 1;
    try {
      for (const listener of this.#listeners) how(listener, entry, detail);
    } finally {
      this.#telling -= 1;
      // After a listener that throws as well: the bound must not depend on listeners.
      this.fit();
    }
  }

  /** Lets the entries before `untilId` go. */
  #evict(untilId: number): void {
    this.#telling += 1;
    try {
      while (this.#oldestId < untilId) this.#evictOldest();
    } finally {
      this.#telling -= 1;
    }
  }

  #evictOldest(): void {
    const place = this.#placeOf(this.#oldestId);
    const entry = this.#places[place] as RingEntry;
    this.#places[place] = undefined;
    this.#oldestId += 1;
    this.#bytes -= entry.cost;
    entry.leave();
    try {
      this.tell(gone, entry, undefined);
    } finally {
      entry.left();
    }
  }

  #placeOf(id: number): number {
    return (id - 1) % this.maxEntries;
  }
}
