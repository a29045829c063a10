import type { GateEvent, RefusedReason } from "./events.js";

const pauseMs = 1_000;

/** Tells of visits that were refused for one reason: at once, and at most once a second. */
export class RefusedEvents {
  readonly #reason: RefusedReason;
  readonly #tell: (event: GateEvent) => void;
  #count = 0;
  #address: string | undefined;
  #pause: NodeJS.Timeout | undefined;

  constructor(reason: RefusedReason, tell: (event: GateEvent) => void) {
    this.#reason = reason;
    this.#tell = tell;
  }

  /** `address`: the event has that of the last visitor. */
  add(address: string | undefined): void {
    this.#count += 1;
    this.#address = address;
    if (this.#pause === undefined) this.#flush();
  }

  #flush(): void {
    this.#pause = undefined;
    if (this.#count === 0) return;
    const event = {
      type: "refused",
      reason: this.#reason,
      count: this.#count,
      address: this.#address,
    } as const;
    this.#count = 0;
    this.#pause = setTimeout(() => this.#flush(), pauseMs);
    this.#pause.unref();
    this.#tell(event);
  }

  /** Tells of the last ones. */
  close(): void {
    clearTimeout(this.#pause);
    this.#flush();
    clearTimeout(this.#pause);
  }
}
