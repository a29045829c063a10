/**
 * What one reader of a stream has, and what he has to be told, by keys. It holds no more than there is in the
 * ring and at the reader, however long he reads nothing.
 */
export class Outline<Key> {
  readonly #known = new Set<Key>();
  readonly #pending = new Set<Key>();

  /** Keys of which the reader has to be told. */
  get pending(): ReadonlySet<Key> {
    return this.#pending;
  }

  /** New or changed. */
  changed(key: Key): void {
    this.#pending.add(key);
  }

  /** It is no more. Nothing has to be told to a reader who does not have it. */
  gone(key: Key): void {
    if (this.#known.has(key)) this.#pending.add(key);
    else this.#pending.delete(key);
  }

  /** Takes a key off what is pending. The reader gets it, or does not. True if he had it before. */
  settle(key: Key, isShown: boolean): boolean {
    this.#pending.delete(key);
    const wasKnown = this.#known.has(key);
    if (isShown) this.#known.add(key);
    else this.#known.delete(key);
    return wasKnown;
  }

  isKnown(key: Key): boolean {
    return this.#known.has(key);
  }

  /** The reader forgets all, and is told of `keys` anew. */
  restart(keys: Iterable<Key>): void {
    this.#known.clear();
    this.#pending.clear();
    for (const key of keys) this.#pending.add(key);
  }
}
