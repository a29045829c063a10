/** What a waiting request costs besides its body: its head, parsed, and its connection. */
const requestBytes = 8_192;
/** As much of a body as is read before anybody asks for it: the window of an HTTP/2 stream, less with HTTP/1.1. */
const bodyBytes = 262_144;

export interface HoldLimits {
  /** How many requests for one name wait at once. */
  maxHeldRequests: number;
  /** What all that wait may hold, over all names. */
  maxHeldBytes: number;
  /** How long after the start a name that nobody has is waited for. */
  startupHoldMs: number;
}

/**
 * The requests that wait for a client: because it is reconnecting, or because the relay has only just started and its
 * clients are on their way back to it.
 */
export class Holds {
  readonly #limits: HoldLimits;
  readonly #waiting = new Map<string, Set<() => void>>();
  #heldBytes = 0;
  #startup: NodeJS.Timeout | undefined;

  constructor(limits: HoldLimits) {
    this.#limits = limits;
  }

  /** A name that nobody has may be about to be registered. */
  get startingUp(): boolean {
    return this.#startup !== undefined;
  }

  /** The relay listens from now on. */
  start(): void {
    if (this.#limits.startupHoldMs === 0) return;
    this.#startup = setTimeout(() => {
      this.#startup = undefined;
      this.wakeAll();
    }, this.#limits.startupHoldMs);
    this.#startup.unref();
  }

  /** Nobody can come back any more. */
  stop(): void {
    clearTimeout(this.#startup);
    this.#startup = undefined;
    this.wakeAll();
  }

  /**
   * Calls `again` once, when it is worth looking for the holder of `name` again. `bodyLength` is that of the request,
   * as far as it is known. Returns how to take it back, or the limit by which too much waits already.
   */
  wait(
    name: string,
    bodyLength: number | undefined,
    again: () => void,
  ): (() => void) | "maxHeldRequests" | "maxHeldBytes" {
    const waiting = this.#waiting.get(name) ?? new Set();
    const bytes = requestBytes + Math.min(bodyLength ?? bodyBytes, bodyBytes);
    if (waiting.size >= this.#limits.maxHeldRequests) return "maxHeldRequests";
    if (this.#heldBytes + bytes > this.#limits.maxHeldBytes) return "maxHeldBytes";
    this.#heldBytes += bytes;
    this.#waiting.set(name, waiting.add(again));
    return () => {
      if (!waiting.delete(again)) return;
      this.#heldBytes -= bytes;
      if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
    };
  }

  /** Something has changed about who holds `name`. */
  wake(name: string): void {
    // Whoever has to wait on does so in another turn of the loop: this one ends.
    for (const again of [...(this.#waiting.get(name) ?? [])]) again();
  }

  wakeAll(): void {
    for (const name of [...this.#waiting.keys()]) this.wake(name);
  }
}
