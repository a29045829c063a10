/**
 * What always passes, in bytes: an error has to reach its visitor. A body that holds no more is not worth the
 * attention.
 */
export const shortBytes = 4_096;

/** How long a visitor may take nothing of what waits for it, in milliseconds. */
const stalledMs = 30_000;

/** A body that a visitor is behind with. */
export interface Behind {
  /** The visitor has taken nothing for 30 s. The body is not watched any more. */
  onStalled(): void;
  /** The server is closed. */
  onClosed(): void;
}

/**
 * The answers and events that visitors have not taken yet, over all requests of a server. Visitors decide
 * how fast they read. Without a bound, a thousand who read nothing would take all memory.
 */
export class Unread {
  readonly #maxBytes: number;
  #bytes = 0;
  /** Since when the visitor of each has taken nothing, by `performance.now()`. The longest is the first. */
  readonly #behind = new Map<Behind, number>();
  /** One timer for all bodies. */
  #timer: NodeJS.Timeout | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#maxBytes;
  }

  /** More waits, or less. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  isWatching(body: Behind): boolean {
    return this.#behind.has(body);
  }

  /** Waits 30 s for the body's visitor to take something, from now on. */
  watch(body: Behind): void {
    this.#behind.delete(body);
    this.#behind.set(body, performance.now());
    this.#timer ??= setTimeout(() => this.#onTimeout(), stalledMs);
  }

  unwatch(body: Behind): void {
    if (!this.#behind.delete(body) || this.#behind.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Gives up what is watched. Nothing else holds bytes once all requests have their answers. */
  close(): void {
    for (const body of this.#behind.keys()) body.onClosed();
  }

  #onTimeout(): void {
    this.#timer = undefined;
    const now = performance.now();
    const stalled: Behind[] = [];
    for (const [body, since] of this.#behind) {
      const leftMs = since + stalledMs - now;
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.#onTimeout(), leftMs);
        break;
      }
      this.#behind.delete(body);
      stalled.push(body);
    }
    for (const body of stalled) body.onStalled();
  }
}
