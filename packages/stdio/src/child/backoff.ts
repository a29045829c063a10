import type { ResolvedStdioOptions } from "../options.js";

/**
 * The pause before a server is started again that has ended by itself. It begins with `minRestartDelayMs` and
 * doubles with each failure, up to `maxRestartDelayMs`.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #nextMs: number;
  /** On the clock of `performance.now()`. */
  #allowedAtMs = 0;

  constructor({ minRestartDelayMs, maxRestartDelayMs }: ResolvedStdioOptions) {
    this.#minMs = minRestartDelayMs;
    this.#maxMs = Math.max(minRestartDelayMs, maxRestartDelayMs);
    this.#nextMs = this.#minMs;
  }

  /** How long until a start is allowed, in whole milliseconds. 0: now. */
  get waitMs(): number {
    return Math.max(0, Math.ceil(this.#allowedAtMs - performance.now()));
  }

  failed(): void {
    this.#allowedAtMs = performance.now() + this.#nextMs;
    this.#nextMs = Math.min(this.#maxMs, this.#nextMs * 2);
  }

  succeeded(): void {
    this.#allowedAtMs = 0;
    this.#nextMs = this.#minMs;
  }
}
