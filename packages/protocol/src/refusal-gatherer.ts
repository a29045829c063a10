import {
  legible,
  maxMethodBytes,
  maxPathBytes,
  maxRefusalCount,
  maxRefusalKinds,
  type Refusal,
} from "./refusals.js";

/** The pause between two calls of `handOn`, in milliseconds. */
const pauseMs = 1_000;

/**
 * Counts refusals by code, status and limit. They are handed on at once, but at most once a second, so that a
 * relay does not flood its client and a client does not flood its listeners.
 */
export class RefusalGatherer {
  readonly #handOn: (refusals: readonly Refusal[]) => boolean;
  readonly #kinds = new Map<string, Refusal>();
  #pause: NodeJS.Timeout | undefined;
  #isHeldUp = false;

  /**
   * `handOn` returns false when it cannot take the refusals now. It is called again after a pause, or by
   * {@link proceed}.
   */
  constructor(handOn: (refusals: readonly Refusal[]) => boolean) {
    this.#handOn = handOn;
  }

  /** Adds refusals. They are handed on at once, or after the pause that follows earlier ones. */
  add(refusals: readonly Refusal[]): void {
    for (const refusal of refusals) this.#count(refusal);
    if (this.#pause === undefined) this.flush();
  }

  #count(refusal: Refusal): void {
    const key = `${refusal.code} ${refusal.status ?? ""} ${refusal.limit?.option ?? ""}`;
    const known = this.#kinds.get(key);
    // Only a hostile relay names more kinds than exist.
    if (known === undefined && this.#kinds.size >= maxRefusalKinds) return;
    const count = Math.min((known?.count ?? 0) + refusal.count, maxRefusalCount);
    const method = known?.method ?? legible(refusal.method, maxMethodBytes);
    const path = known?.path ?? legible(refusal.path, maxPathBytes);
    this.#kinds.set(key, { ...(known ?? refusal), count, method, path });
  }

  /** Tries again if `handOn` could not take the refusals before. */
  proceed(): void {
    if (this.#isHeldUp) this.flush();
  }

  /** Hands on all refusals now, even within the pause. */
  flush(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#isHeldUp = false;
    if (this.#kinds.size === 0) return;
    const refusals = [...this.#kinds.values()];
    // The pause begins before the call because `handOn` may call `add`.
    this.#pause = setTimeout(() => this.flush(), pauseMs);
    this.#pause.unref();
    this.#kinds.clear();
    if (this.#handOn(refusals)) return;
    for (const refusal of refusals) this.#count(refusal);
    this.#isHeldUp = true;
  }

  /** Hands on all refusals, for the last time. */
  end(): void {
    this.flush();
    clearTimeout(this.#pause);
  }

  /** Removes and returns the refusals that have not been handed on. */
  take(): Refusal[] {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#isHeldUp = false;
    const refusals = [...this.#kinds.values()];
    this.#kinds.clear();
    return refusals;
  }
}
