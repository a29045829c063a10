import type { Logger } from "mcp-tunnel-protocol";

/** Within this time, in milliseconds, one line tells of a kind of refusal. */
const quietMs = 1_000;

/** Logs who is turned away. Strangers can be turned away any number of times, and must not fill the log. */
export class RefusalLog {
  readonly #logger: Logger;
  /** For each kind of refusal, of which there are few. */
  readonly #told = new Map<string, { atMs: number; untold: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `reason`: one of a few texts. What strangers have said belongs into `fields`. */
  refused(reason: string, fields: object): void {
    const now = performance.now();
    const last = this.#told.get(reason);
    if (last !== undefined && now - last.atMs < quietMs) {
      last.untold += 1;
      return;
    }
    const untold = last?.untold ?? 0;
    this.#told.set(reason, { atMs: now, untold: 0 });
    const more = untold > 0 ? { more: untold } : {};
    this.#logger.warn({ reason, ...fields, ...more }, "connection to the peer port refused");
  }
}
