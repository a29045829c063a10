import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "./endpoint.js";
import { cpuSeconds, peakBytes, resetPeak } from "./proc.js";
import type { Sample, Workload } from "./workload.js";

/** One cycle of one workload on one system. */
export interface Measurement {
  /**
   * The workload's own metrics and, if there are operations, `cpu` (microseconds per operation, all
   * processes) and `serverCpu` (those of the server's side alone).
   */
  readonly values: Readonly<Record<string, number>>;
  readonly processes: readonly ProcessUse[];
}

export interface ProcessUse {
  readonly name: string;
  /** Microseconds of CPU time per operation, of all processes of this name. */
  readonly cpu: number | undefined;
  /** The most resident memory in the cycle, in bytes; that of all of them together. */
  readonly peakBytes: number;
}

/** Runs one cycle and asks the operating system what the processes spent on it. */
export async function measure(
  workload: Workload,
  endpoint: Endpoint,
  seconds: number,
  folder: string,
): Promise<Measurement> {
  const meter = new Meter(endpoint);
  const failures = endpoint.processes.map((child) => child.failed);
  const run = workload.run(endpoint, { seconds, folder, measured: (action) => meter.over(action) });
  // A cycle that is too late is left to itself, and so is its error.
  run.catch(() => {});
  const limit = new AbortController();
  try {
    const late = tooLate(workload.limitSeconds ?? seconds + 30, limit.signal);
    return meter.measurement(await Promise.race([run, late, ...failures]));
  } finally {
    limit.abort();
  }
}

async function tooLate(limitSeconds: number, signal: AbortSignal): Promise<never> {
  await delay(limitSeconds * 1_000, undefined, { signal }).catch(() => {});
  throw new Error(`the cycle did not end within ${limitSeconds} s`);
}

class Meter {
  readonly #endpoint: Endpoint;
  #started: number[] = [];
  #spent: number[] | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#start();
  }

  #cpu(): number[] {
    return this.#endpoint.processes.map((child) => cpuSeconds(child.pid));
  }

  #start(): void {
    for (const child of this.#endpoint.processes) resetPeak(child.pid);
    this.#started = this.#cpu();
  }

  #stop(): number[] {
    return this.#cpu().map((seconds, i) => seconds - (this.#started[i] as number));
  }

  async over<T>(action: () => Promise<T>): Promise<T> {
    this.#start();
    const result = await action();
    this.#spent = this.#stop();
    return result;
  }

  measurement(sample: Sample): Measurement {
    const spent = this.#spent ?? this.#stop();
    const { operations } = sample;
    // The cost of one operation is unknown then.
    if (operations === 0) throw new Error("nothing was done in a whole cycle");
    const perOperation = (seconds: number): number => (seconds * 1e6) / (operations as number);
    const processes = new Map<string, ProcessUse>();
    for (const [i, { name, pid }] of this.#endpoint.processes.entries()) {
      const before = processes.get(name);
      processes.set(name, {
        name,
        cpu: operations === undefined ? undefined : perOperation(spent[i] as number) + (before?.cpu ?? 0),
        peakBytes: peakBytes(pid) + (before?.peakBytes ?? 0),
      });
    }
    const measurement = { values: sample.values, processes: [...processes.values()] };
    if (operations === undefined || processes.size === 0) return measurement;
    const sum = (times: readonly number[]): number => times.reduce((total, seconds) => total + seconds, 0);
    const cpu = perOperation(sum(spent));
    const serverCpu = perOperation(sum(spent.slice(0, this.#endpoint.servers ?? 1)));
    return { ...measurement, values: { ...sample.values, cpu, serverCpu } };
  }
}
