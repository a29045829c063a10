import type { Logger } from "./log.js";
import type { LimitEvent } from "./observer.js";
import type { Observers } from "./observers.js";
import { type LimitName, limitList } from "../limits.js";

/**
 * The least time between two log lines about the same limit, in milliseconds: an attack would fill the log.
 */
const quietMs = 60_000;

const flags = new Map(limitList.map(({ name, flag }) => [name, flag]));

/** Tells the observers and the log that a limit took effect. */
export class LimitReporter {
  readonly #observers: Observers;
  readonly #logger: Logger;
  /** When a limit was logged last, and how often it took effect since. */
  readonly #logged = new Map<LimitName, { atMs: number; since: number }>();

  constructor(observers: Observers, logger: Logger) {
    this.#observers = observers;
    this.#logger = logger;
  }

  /** `about`: for whom it took effect, as far as that is known. */
  hit(limit: LimitName, { address, name, token }: Partial<Omit<LimitEvent, "limit">>): void {
    this.#observers.onLimit({ limit, address, name, token });
    const now = performance.now();
    const last = this.#logged.get(limit);
    if (last !== undefined && now - last.atMs < quietMs) {
      last.since += 1;
      return;
    }
    this.#logged.set(limit, { atMs: now, since: 0 });
    const before = last === undefined || last.since === 0 ? {} : { unloggedBefore: last.since };
    const option = `--${flags.get(limit)}`;
    this.#logger.warn({ limit, option, address, name, token, ...before }, "limit reached");
  }
}
