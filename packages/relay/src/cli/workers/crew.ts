import type { HostPort } from "../../net/host-port.js";
import type { Logger } from "../../telemetry/log.js";
import { CommandFailure } from "../output/output.js";
import type { ToWorker, WorkerAnswers, WorkerQuestion } from "./messages.js";
import { Place } from "./place.js";
import type { WorkerProcess } from "./worker-process.js";

/** How long after the grace a worker may take to end, in milliseconds. */
const overdueMs = 10_000;

export interface CrewParts {
  readonly size: number;
  /** Starts a process for the worker of this number. */
  readonly fork: (worker: number) => WorkerProcess;
  readonly logger: Logger;
  /** No worker lives long enough to serve. All are gone when this is called. */
  readonly onHopeless: () => void;
}

/** All workers. */
export class Crew {
  readonly #parts: CrewParts;
  readonly #places: Place[] = [];
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  #overdue: NodeJS.Timeout | undefined;
  #deaths = 0;

  constructor(parts: CrewParts) {
    this.#parts = parts;
  }

  /** How many processes have died so far. */
  get deaths(): number {
    return this.#deaths;
  }

  get isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** The process of each worker, in their order. It may have ended. */
  get processes(): readonly WorkerProcess[] {
    return this.#places.map((place) => place.process);
  }

  /**
   * Starts the workers, and lets them listen when all are prepared: clients that come back after a restart
   * would all go to the one that is first. If one fails, the others are cut.
   * @throws TunnelError or CommandFailure: what the first that failed has said.
   */
  async start(): Promise<{ address: HostPort; reads: boolean }> {
    const { size, fork, logger } = this.#parts;
    const closing = this.#closing.signal;
    const onDeath = (): void => this.#onDeath();
    for (let worker = 1; worker <= size; worker++) {
      this.#places.push(new Place(worker, () => fork(worker), { logger, closing, onDeath }));
    }
    const { processes } = this;
    try {
      const [prepared] = await Promise.all(processes.map((process) => process.hear("prepared")));
      this.send({ kind: "listen" });
      const [listening] = await Promise.all(processes.map((process) => process.hear("listening")));
      for (const place of this.#places) void place.keep();
      const { host = "", port = 0 } = listening ?? {};
      return { address: { host, port }, reads: prepared?.reads === true };
    } catch (error) {
      this.#closing.abort();
      await this.#cut();
      throw error;
    }
  }

  /** To all. */
  send(message: ToWorker): void {
    for (const process of this.processes) process.send(message);
  }

  /** Asks all that listen. `silent`: the numbers of those that did not answer. */
  async ask<Question extends WorkerQuestion>(
    question: Question,
  ): Promise<{ answers: Map<WorkerProcess, WorkerAnswers[Question["about"]]>; silent: number[] }> {
    const answers = new Map<WorkerProcess, WorkerAnswers[Question["about"]]>();
    const silent: number[] = [];
    const note = async (process: WorkerProcess): Promise<void> => {
      try {
        answers.set(process, await process.ask(question));
      } catch {
        silent.push(process.worker);
      }
    };
    const { processes } = this;
    silent.push(...processes.filter(({ isListening }) => !isListening).map(({ worker }) => worker));
    await Promise.all(processes.filter(({ isListening }) => isListening).map(note));
    return { answers, silent };
  }

  /**
   * Asks one that listens, and the next if that does not answer.
   * @throws CommandFailure: none answers.
   */
  async askOne<Question extends WorkerQuestion>(
    question: Question,
  ): Promise<WorkerAnswers[Question["about"]]> {
    let failure: unknown = new CommandFailure("no worker listens");
    for (const process of this.processes.filter(({ isListening }) => isListening)) {
      try {
        return await process.ask(question);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /**
   * Drains all workers. Each ends when nothing is open at any of them: visitors of one are served by tunnels
   * of another. What is open after `graceMs` is cut. A second call with a shorter time hurries the first.
   */
  close(graceMs: number): Promise<void> {
    this.#closing.abort();
    const { processes } = this;
    this.send({ kind: "close", graceMs });
    clearTimeout(this.#overdue);
    this.#overdue = setTimeout(() => {
      for (const { worker, pid } of processes.filter(({ isEnded }) => !isEnded)) {
        this.#parts.logger.error({ worker, pid }, "a worker does not end, and is killed");
      }
      void this.#cut();
    }, graceMs + overdueMs);
    this.#closed ??= this.#awaitEnd(processes);
    return this.#closed;
  }

  async #awaitEnd(processes: readonly WorkerProcess[]): Promise<void> {
    const idle = processes.map((process) => process.hear("idle").catch(() => {}));
    void Promise.all(idle).then(() => this.send({ kind: "end" }));
    await Promise.all(processes.map((process) => process.ended));
    clearTimeout(this.#overdue);
  }

  async #cut(): Promise<void> {
    const { processes } = this;
    for (const process of processes) process.kill();
    await Promise.all(processes.map((process) => process.ended));
  }

  #onDeath(): void {
    this.#deaths += 1;
    if (!this.#places.every((place) => place.isHopeless)) return;
    this.#closing.abort();
    void this.#cut().then(() => this.#parts.onHopeless());
  }
}
