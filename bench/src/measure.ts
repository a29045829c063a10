import type { Endpoint } from "./endpoint.js";
import { cpuSeconds, peakBytes, resetPeak } from "./proc.js";
import type { Sample, Workload } from "./workload.js";

/** One cycle of one workload on one system. */
export interface Measurement {
  /**
   * The workload's own metrics, and `cpu` (microseconds per operation, all processes) if there are
   * operations.
   */
  readonly values: Readonly<Record<string, number>>;
  readonly processes: readonly ProcessUse[];
}

export interface ProcessUse {
  readonly name: string;
  /** Microseconds of CPU time per operation. */
  readonly cpu: number | undefined;
  /** The most resident memory in the cycle, in bytes. */
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
  const sample = await Promise.race([run, ...failures]);
  return meter.measurement(sample);
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
    const processes = this.#endpoint.processes.map((child, i) => ({
      name: child.name,
      cpu: operations === undefined ? undefined : perOperation(spent[i] as number),
      peakBytes: peakBytes(child.pid),
    }));
    if (operations === undefined || processes.length === 0) return { values: sample.values, processes };
    const cpu = perOperation(spent.reduce((sum, seconds) => sum + seconds, 0));
    return { values: { ...sample.values, cpu }, processes };
  }
}
