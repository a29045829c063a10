import { crowdOf, firstToLeave } from "../crowd.js";

/** A request for consent that waits for a word from elsewhere. */
export interface Waiting {
  /** The id of the request. */
  readonly request: string;
  readonly address: string | undefined;
  readonly expiresAtMs: number;
}

/**
 * Requests that wait, each under a key of its own. When there are too many, the oldest leaves: of the address
 * that asks, or of the one that has most here. So whoever comes last always gets in, and a stranger who asks
 * without end keeps out himself.
 */
export class WaitingRoom<T extends Waiting> {
  /** In the order in which they came. */
  readonly #waiting = new Map<string, T>();
  readonly #max: number;
  readonly #maxForAddress: number;

  constructor(max: number, maxForAddress: number) {
    this.#max = max;
    this.#maxForAddress = maxForAddress;
  }

  /** A request waits only once: its earlier key is worth nothing from now on. */
  add(key: string, waiting: T): void {
    this.#removeWhere((other) => other.request === waiting.request || isOver(other));
    const crowd = crowdOf(waiting.address);
    const all = [...this.#waiting].map(([other, { address }]) => [other, crowdOf(address)] as const);
    const neighbours = all.filter(([, other]) => other === crowd);
    if (crowd !== undefined && neighbours.length >= this.#maxForAddress)
      this.#remove(firstToLeave(neighbours));
    else if (all.length >= this.#max) this.#remove(firstToLeave(all));
    this.#waiting.set(key, waiting);
  }

  get(key: string): T | undefined {
    const waiting = this.#waiting.get(key);
    return waiting === undefined || isOver(waiting) ? undefined : waiting;
  }

  /** As `get`, and the key is worth nothing afterwards. */
  take(key: string): T | undefined {
    const waiting = this.get(key);
    this.#waiting.delete(key);
    return waiting;
  }

  /** The key under which a request waits. */
  keyOf(request: string): string | undefined {
    for (const [key, waiting] of this.#waiting) {
      if (waiting.request === request) return isOver(waiting) ? undefined : key;
    }
    return undefined;
  }

  #remove(key: string | undefined): void {
    if (key !== undefined) this.#waiting.delete(key);
  }

  #removeWhere(isUnwanted: (waiting: T) => boolean): void {
    for (const [key, waiting] of this.#waiting) if (isUnwanted(waiting)) this.#waiting.delete(key);
  }
}

const isOver = ({ expiresAtMs }: Waiting): boolean => expiresAtMs <= Date.now();
