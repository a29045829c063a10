import type { Endpoint } from "./endpoint.js";
import type { Setup } from "./systems/system.js";
import type { Upstreams } from "./upstreams/upstreams.js";

/** The measurements of a workload in one cycle: its metrics by name. */
export interface Sample {
  readonly values: Readonly<Record<string, number>>;
  /** The divisor of the processes' CPU time: requests, MiB, events. */
  readonly operations?: number;
}

export interface Metric {
  readonly unit: string;
  readonly better: "higher" | "lower";
}

/** Arguments of a workload besides the endpoint. */
export interface Cycle {
  readonly seconds: number;
  /** A folder for logs and files, removed when the bench ends. */
  readonly folder: string;
  /**
   * Wraps the part of the cycle over which CPU time and peak memory are measured. The whole cycle if a
   * workload does not call it.
   */
  readonly measured: <T>(action: () => Promise<T>) => Promise<T>;
}

/** One kind of load; the same for every system. */
export interface Workload {
  /** For `--only` and the JSON. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  readonly upstream: keyof Upstreams;
  /** How the systems are started. Default `one`. Those that cannot be set up so take no part. */
  readonly setup?: Setup;
  /** The first is the main one. CPU per operation and peak memory are added by the runner. */
  readonly metrics: Readonly<Record<string, Metric>>;
  /** The unit of work for CPU time: `request`, `MiB`, `event`. */
  readonly operation?: string;
  /** Whether `--quick` runs it. */
  readonly quick?: boolean;
  /** Whether it runs only when `--only` names it. */
  readonly onlyByName?: boolean;
  /** Programs that the load itself needs. Without them the workload is left out. */
  readonly programs?: readonly string[];
  /** The systems that can take part. Default: all. */
  readonly systems?: readonly string[];
  /** The references and contenders that take part unless `--systems` chooses: a whole run has to end. */
  readonly usual?: readonly string[];
  /**
   * Neighbours of the same group run together: one turn of each in every round, so that they can be compared.
   */
  readonly group?: string;
  /** Whether each round has its systems started anew, for itself alone and without a warm-up. */
  readonly fresh?: boolean;
  /** The most rounds, for a workload whose cycle is long and hardly varies. */
  readonly maxRounds?: number;
  /** How long a cycle may take in all before it counts as failed. Default: 30 s more than it should take. */
  readonly limitSeconds?: number;
  run(endpoint: Endpoint, cycle: Cycle): Promise<Sample>;
}
