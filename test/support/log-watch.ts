import type { Logger } from "mcp-tunnel";
import type { JsonLine } from "./commands.js";

/** A logger for whose lines a test can wait, as for a command's. */
export class LogWatch {
  /** Every line so far, as the command would write it. */
  readonly json: JsonLine[] = [];
  readonly logger: Logger;
  readonly #waiters = new Set<() => void>();

  constructor() {
    const log = (fields: object, msg: string): void => {
      this.json.push({ ...fields, msg });
      for (const wake of this.#waiters) wake();
    };
    this.logger = { debug: log, info: log, warn: log, error: log };
  }

  /**
   * Waits until `find` returns something. It looks again at every line. The test's own time limit ends the
   * wait.
   */
  async waitFor<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
  }

  /** Waits for a line that has all of `fields`. */
  waitForJson(fields: JsonLine): Promise<JsonLine> {
    const matches = (line: JsonLine): boolean =>
      Object.entries(fields).every(([key, value]) => line[key] === value);
    return this.waitFor(() => this.json.find(matches));
  }
}
