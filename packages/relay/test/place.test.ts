import { EventEmitter, once } from "node:events";
import { expect, it } from "vitest";
import { Place } from "../src/cli/workers/place.js";
import type { WorkerProcess } from "../src/cli/workers/worker-process.js";

/** A process of which each milestone is there at once, and which ends when it is told to. */
class FakeProcess {
  readonly pid = 1;
  readonly ended: Promise<string>;
  end: (reason: string) => void = () => {};
  #onListening: () => void = () => {};
  readonly listening = new Promise<void>((resolve) => {
    this.#onListening = resolve;
  });

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  send(): void {}

  async hear(kind: string): Promise<void> {
    if (kind === "listening") this.#onListening();
  }
}

it("tries again when the system has no room for another process", async () => {
  const processes: FakeProcess[] = [];
  let refusals = 0;
  const errors: string[] = [];
  const closing = new AbortController();
  const forks = new EventEmitter();
  const second = once(forks, "second");
  const fork = (): WorkerProcess => {
    if (processes.length === 1 && refusals < 2) {
      refusals += 1;
      throw new Error("spawn ENOMEM");
    }
    const process = new FakeProcess();
    processes.push(process);
    if (processes.length === 2) forks.emit("second");
    return process as unknown as WorkerProcess;
  };
  const logger = {
    error: (_fields: object, message: string) => errors.push(message),
    info() {},
    debug() {},
  } as never;
  let deaths = 0;
  const place = new Place(0, fork, { logger, closing: closing.signal, onDeath: () => (deaths += 1) });
  const kept = place.keep();
  processes[0]?.end("was killed by SIGKILL");
  await second;
  await processes[1]?.listening;
  expect(errors).toEqual([
    "a worker has died: its tunnels and visitors are cut",
    "no process could be started for a worker",
    "no process could be started for a worker",
  ]);
  expect(deaths).toBe(1);
  closing.abort();
  processes[1]?.end("ended with status 0");
  await kept;
});
