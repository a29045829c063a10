import type { Endpoint } from "../endpoint.js";
import { cpuSeconds, peakBytes, resetPeak } from "../proc.js";

/** Cycles at each point of a curve; the median counts. */
export const rounds = 3;
/** Length of a cycle. */
export const seconds = 2;
export const mebibyte = 1_048_576;

/** A system that is up. */
export interface Running {
  readonly name: string;
  readonly endpoint: Endpoint;
}

/** The CPU time and memory that the processes use from here on. */
export class Spending {
  readonly #processes: Endpoint["processes"];
  readonly #before: number;

  /** `first`: how many of the endpoint's processes count, from the first on. Default: all. */
  constructor(endpoint: Endpoint, first = endpoint.processes.length) {
    this.#processes = endpoint.processes.slice(0, first);
    for (const child of this.#processes) resetPeak(child.pid);
    this.#before = this.#total();
  }

  #total(): number {
    return this.#processes.reduce((sum, child) => sum + cpuSeconds(child.pid), 0);
  }

  /** CPU time of all processes, in microseconds. */
  get cpuMicroseconds(): number {
    return (this.#total() - this.#before) * 1e6;
  }

  /** The most memory that one of the processes has had, in MiB. */
  get peakMebibytes(): number {
    return Math.max(...this.#processes.map((child) => peakBytes(child.pid))) / mebibyte;
  }
}
