import type { V1Stream } from "./stream.js";

const firstBuckets = 2;

/**
 * The open streams of a session by id: a hash table whose chains run through the streams themselves.
 *
 * A `Map` whose entries come and go all the time is rebuilt again and again, and V8 links each old table to
 * the next one. Once one of these tables has grown old, V8 keeps all young tables behind it until the next
 * full collection. With them it keeps every stream and request that was open when its table was left behind
 * (measured: 3 KB of each request on its way through the old generation, and a fifth of a busy relay's CPU
 * time).
 */
export class StreamTable {
  #buckets = new Array<V1Stream | undefined>(firstBuckets).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): V1Stream | undefined {
    let stream = this.#buckets[id & (this.#buckets.length - 1)];
    while (stream !== undefined && stream.id !== id) stream = stream.next;
    return stream;
  }

  /** Takes a stream whose id is not in the table. */
  add(stream: V1Stream): void {
    if (this.#size === this.#buckets.length) this.#resize(2 * this.#size);
    this.#size += 1;
    this.#link(stream);
  }

  /** Does nothing when the stream is not in the table. */
  delete(stream: V1Stream): void {
    const at = stream.id & (this.#buckets.length - 1);
    let before: V1Stream | undefined;
    let other = this.#buckets[at];
    while (other !== undefined && other !== stream) {
      before = other;
      other = other.next;
    }
    if (other === undefined) return;
    if (before === undefined) this.#buckets[at] = stream.next;
    else before.next = stream.next;
    stream.next = undefined;
    this.#size -= 1;
    // The buckets of a burst are not kept for ever: most tunnels are idle.
    if (this.#size === 0 && this.#buckets.length > 32 * firstBuckets) this.#resize(firstBuckets);
  }

  /** All streams, in no order. */
  toArray(): V1Stream[] {
    const all: V1Stream[] = [];
    for (const first of this.#buckets) {
      for (let stream = first; stream !== undefined; stream = stream.next) all.push(stream);
    }
    return all;
  }

  #link(stream: V1Stream): void {
    const at = stream.id & (this.#buckets.length - 1);
    stream.next = this.#buckets[at];
    this.#buckets[at] = stream;
  }

  /** `length` must be a power of two. */
  #resize(length: number): void {
    const all = this.toArray();
    this.#buckets = new Array<V1Stream | undefined>(length).fill(undefined);
    for (const stream of all) this.#link(stream);
  }
}
