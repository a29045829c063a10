import {
  legible,
  maxMethodBytes,
  maxPathBytes,
  maxRefusalCount,
  maxRefusalKinds,
  type Refusal,
} from "./refusals.js";

/** Between two that are handed on, in milliseconds. */
const pauseMs = 1_000;

/**
 * Counts refusals by code, status and limit, and hands them on at once, but at most once a second: the relay
 * does not flood its client, nor the client its listeners.
 */
export class RefusalGatherer {
  readonly #handOn: (refusals: readonly Refusal[]) => boolean;
  readonly #kinds = new Map<string, Refusal>();
  #pause: NodeJS.Timeout | undefined;
  #isHeldUp = false;

  /** `handOn` returns false when it cannot now, and is asked again after a pause or by {@link proceed}. */
  constructor(handOn: (refusals: readonly Refusal[]) => boolean) {
    this.#handOn = handOn;
  }

  add(refusals: readonly Refusal[]): void {
    for (const refusal of refusals) this.#count(refusal);
    if (this.#pause === undefined) this.flush();
  }

  #count(refusal: Refusal): void {
    const key = `${refusal.code} ${refusal.status ?? ""} ${refusal.limit?.option ?? ""}`;
    const known = this.#kinds.get(key);
    // More kinds than there are is what a hostile relay says.
    if (known === undefined && this.#kinds.size >= maxRefusalKinds) return;
    const count = Math.min((known?.count ?? 0) + refusal.count, maxRefusalCount);
    const method = known?.method ?? legible(refusal.method, maxMethodBytes);
    const path = known?.path ?? legible(refusal.path, maxPathBytes);
    this.#kinds.set(key, { ...(known ?? refusal), count, method, path });
  }

  /** What could not be handed on may be possible now. */
  proceed(): void {
    if (this.#isHeldUp) this.flush();
  }

  /** Hands on what there is, however long ago the last was. */
  flush(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#isHeldUp = false;
    if (this.#kinds.size === 0) return;
    const refusals = [...this.#kinds.values()];
    // Before the call, in which `add` may be called again.
    this.#pause = setTimeout(() => this.flush(), pauseMs);
    this.#pause.unref();
    this.#kinds.clear();
    if (this.#handOn(refusals)) return;
    for (const refusal of refusals) this.#count(refusal);
    this.#isHeldUp = true;
  }

  /** Hands on what there is, for the last time. */
  end(): void {
    this.flush();
    clearTimeout(this.#pause);
  }

  /** Takes out what has not been handed on. */
  take(): Refusal[] {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#isHeldUp = false;
    const refusals = [...this.#kinds.values()];
    this.#kinds.clear();
    return refusals;
  }
}
