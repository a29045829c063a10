import { existsSync, readFileSync } from "node:fs";
import type { HeapProfiler } from "node:inspector";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** What a process has allocated while it was recorded. */
export interface Recording {
  /** Bytes on V8's heap. The memory of buffers is not there. */
  readonly bytes: number;
  /** The bytes that each collection of the young generation has copied, which is what it takes time for. */
  readonly kept: readonly number[];
  /** Where it was allocated, by samples. What was collected since is in it. */
  readonly profile: HeapProfiler.SamplingHeapProfile;
}

/** The name of the file that answers a signal of the bench. */
export function recordingFile(pid: number, signal: number): string {
  return `allocations-${pid}-${signal}.json`;
}

/** The recorder in a process (recorder-main.ts), seen from the bench. */
export class Recorder {
  #signals = 0;
  readonly #pid: number;
  readonly #folder: string;

  constructor(pid: number, folder: string) {
    this.#pid = pid;
    this.#folder = folder;
  }

  async begin(): Promise<void> {
    await this.#signal();
  }

  async end(): Promise<Recording> {
    return JSON.parse(await this.#signal()) as Recording;
  }

  async #signal(): Promise<string> {
    this.#signals += 1;
    const file = join(this.#folder, recordingFile(this.#pid, this.#signals));
    process.kill(this.#pid, "SIGUSR2");
    const deadline = Date.now() + 10_000;
    while (!existsSync(file)) {
      if (Date.now() > deadline)
        throw new Error(`process ${this.#pid} does not answer the recorder's signal`);
      await delay(20);
    }
    return readFileSync(file, "utf8");
  }
}
