import type { Pipe } from "../pipe.js";

interface Turn {
  /** Sends what has to be sent, in this call. */
  readonly take: () => void;
}

/**
 * The way of visitors' messages into a pipe. While the pipe is full, their requests wait in turn: what waits
 * in memory is bounded by the budget for bodies, and a visitor who leaves takes its messages along.
 */
export class Outlet {
  readonly #pipe: Pipe;
  readonly #turns = new Set<Turn>();
  #isFull = false;
  #hasEnded = false;

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  get waiting(): number {
    return this.#turns.size;
  }

  /** Sends a message at once, because it waits for nobody's turn or has got one. */
  send(text: string): void {
    if (!this.#pipe.send(text)) this.#isFull = true;
  }

  onDrain(): void {
    this.#isFull = false;
    this.#next();
  }

  /** Nobody gets a turn any more. */
  end(): void {
    this.#hasEnded = true;
    this.#next();
  }

  /**
   * Calls `act` when it is its turn, in the same call if nothing is in the way. Resolves with `undefined` if
   * the visitor has left before (`signal`), or if the pipe has ended.
   */
  turn<T>(signal: AbortSignal, act: () => T): Promise<T | undefined> {
    return new Promise((resolve) => {
      const turn: Turn = {
        take: () => {
          signal.removeEventListener("abort", leave);
          resolve(this.#hasEnded ? undefined : act());
        },
      };
      const leave = () => {
        this.#turns.delete(turn);
        resolve(undefined);
      };
      if (signal.aborted) {
        resolve(undefined);
        return;
      }
      signal.addEventListener("abort", leave, { once: true });
      this.#turns.add(turn);
      this.#next();
    });
  }

  #next(): void {
    for (const turn of this.#turns) {
      if (this.#isFull && !this.#hasEnded) return;
      this.#turns.delete(turn);
      turn.take();
    }
  }
}
