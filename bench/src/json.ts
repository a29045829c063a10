import { cpus, loadavg, release } from "node:os";
import type { Lead } from "./leads.js";
import { processesOf, ratioOf, valueOf, type Verdict, type WorkloadResult } from "./results.js";

/** All measurements, for comparison with another run. */
export function toJson(
  results: readonly WorkloadResult[],
  { verdicts, leads }: { readonly verdicts: readonly Verdict[]; readonly leads: readonly Lead[] },
  run: { rounds: number; seconds: number },
): object {
  return {
    date: new Date().toISOString(),
    node: process.version,
    system: `${process.platform} ${release()}, ${cpus().length} x ${cpus()[0]?.model.trim()}`,
    loadAverage: loadavg(),
    ...run,
    workloads: results.map((result) => ({
      name: result.workload.name,
      title: result.workload.title,
      metrics: result.workload.metrics,
      errors: Object.fromEntries(result.errors),
      systems: Object.fromEntries(
        [...result.rounds.keys()].map((system) => [system, systemJson(result, system)]),
      ),
    })),
    targets: verdicts.map(({ target, measured, verdict }) => ({ ...target, ...measured, verdict })),
    leads,
  };
}

function systemJson(result: WorkloadResult, system: string): object {
  const names = new Set((result.rounds.get(system) ?? []).flatMap(({ values }) => Object.keys(values)));
  const metrics = [...names].map((name) => [
    name,
    {
      ...valueOf(result, system, name),
      ratioToFloor: ratioOf(result, system, name),
      rounds: result.rounds.get(system)?.map(({ values }) => values[name]),
    },
  ]);
  return { metrics: Object.fromEntries(metrics), processes: processesOf(result, system) };
}
