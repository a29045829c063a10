import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "../child.js";
import type { Endpoint } from "../endpoint.js";
import { cpuSeconds, openSockets } from "../proc.js";
import type { Workload } from "../workload.js";
import { workerName } from "./systems.js";

/** The busiest one's part, as so many times the mean: 1 if all have the same. */
export function busiest(parts: readonly number[]): number {
  const sum = parts.reduce((total, part) => total + part, 0);
  return (Math.max(...parts) * parts.length) / sum;
}

/**
 * The workload, with how evenly the workers share it: connections half-way, and the work by their CPU time.
 */
export function withShares(workload: Workload): Workload {
  return {
    ...workload,
    metrics: {
      ...workload.metrics,
      connections: { unit: "busiest worker / mean", better: "lower" },
      work: { unit: "busiest worker / mean", better: "lower" },
    },
    async run(endpoint, cycle) {
      const workers = endpoint.processes.filter(({ name }) => name.startsWith(workerName));
      if (workers.length === 0) return workload.run(endpoint, cycle);
      const before = stateOf(workers);
      const running = workload.run(endpoint, cycle);
      const [connections, sample] = await Promise.all([
        delay(cycle.seconds * 500).then(() => differences(before.sockets, stateOf(workers).sockets)),
        running,
      ]);
      const work = differences(before.cpu, stateOf(workers).cpu);
      return {
        ...sample,
        values: { ...sample.values, connections: busiest(connections), work: busiest(work) },
      };
    },
  };
}

function stateOf(workers: Endpoint["processes"]): { sockets: number[]; cpu: number[] } {
  const of = (read: (pid: number) => number): number[] => workers.map(({ pid }: Child) => read(pid));
  return { sockets: of(openSockets), cpu: of(cpuSeconds) };
}

function differences(before: readonly number[], after: readonly number[]): number[] {
  return after.map((value, i) => value - (before[i] as number));
}
