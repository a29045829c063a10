import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "mcp-tunnel-shared";
import type { Logger } from "../../telemetry/log.js";
import type { WorkerProcess } from "./worker-process.js";

/** A worker that has served for so long did not die of its start, in milliseconds. */
const soundMs = 10_000;
/** The pause before another process takes the place; it doubles with each that dies at once. */
const firstPauseMs = 100;
const longestPauseMs = 30_000;
/** After so many in a row it is no bad luck. */
const hopelessDeaths = 5;

/** The place of one worker, which one process after the other takes. */
export class Place {
  readonly worker: number;
  /** The process that has the place now. */
  process: WorkerProcess;
  readonly #fork: () => WorkerProcess;
  readonly #logger: Logger;
  readonly #closing: AbortSignal;
  readonly #onDeath: () => void;
  #deathsInARow = 0;

  /**
   * Starts the first process. `closing`: no process takes the place any more. `onDeath` is called when a
   * process has died.
   */
  constructor(
    worker: number,
    fork: () => WorkerProcess,
    { logger, closing, onDeath }: { logger: Logger; closing: AbortSignal; onDeath: () => void },
  ) {
    this.worker = worker;
    this.#fork = fork;
    this.#logger = logger;
    this.#closing = closing;
    this.#onDeath = onDeath;
    this.process = fork();
  }

  /** One process after the other has died at once. */
  get isHopeless(): boolean {
    return this.#deathsInARow >= hopelessDeaths;
  }

  /** Puts another process in the place of each that dies. To be called once the first one listens. */
  async keep(): Promise<void> {
    for (;;) {
      const begun = performance.now();
      const reason = await this.process.ended;
      if (this.#closing.aborted) return;
      this.#deathsInARow = performance.now() - begun < soundMs ? this.#deathsInARow + 1 : 0;
      const { worker } = this;
      const { pid } = this.process;
      this.#logger.error({ worker, pid, reason }, "a worker has died: its tunnels and visitors are cut");
      this.#onDeath();
      if (!(await this.#replace())) return;
      await this.#begin();
    }
  }

  /** Starts another process after a pause. Returns false if none may take the place any more. */
  async #replace(): Promise<boolean> {
    for (;;) {
      const pauseMs = firstPauseMs * 2 ** Math.max(0, this.#deathsInARow - 1);
      try {
        await delay(Math.min(pauseMs, longestPauseMs), undefined, { signal: this.#closing });
      } catch {
        return false;
      }
      try {
        this.process = this.#fork();
        return true;
      } catch (error) {
        // The machine may have no memory left for it now, and some later.
        this.#deathsInARow += 1;
        const { worker } = this;
        this.#logger.error({ worker, reason: messageOf(error) }, "no process could be started for a worker");
      }
    }
  }

  async #begin(): Promise<void> {
    const { process, worker } = this;
    try {
      await process.hear("prepared");
      process.send({ kind: "listen" });
      await process.hear("listening");
      this.#logger.info({ worker, pid: process.pid }, "another worker has taken the place");
    } catch (error) {
      // Its end is told next, with the same reason.
      this.#logger.debug({ worker, error: messageOf(error) }, "a worker could not start");
    }
  }
}
