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
    ...runJson(run),
    workloads: results.map((result) => workloadJson(result, "floor")),
    targets: verdicts.map(({ target, measured, verdict }) => ({ ...target, ...measured, verdict })),
    leads,
  };
}

/** When and where a run was. */
export function runJson(run: { rounds: number; seconds: number }): object {
  return {
    date: new Date().toISOString(),
    node: process.version,
    system: `${process.platform} ${release()}, ${cpus().length} x ${cpus()[0]?.model.trim()}`,
    loadAverage: loadavg(),
    ...run,
  };
}

/** All of one workload. `base`: the system that ratios are to. */
export function workloadJson(result: WorkloadResult, base: string): object {
  const { workload, rounds, errors } = result;
  return {
    name: workload.name,
    title: workload.title,
    metrics: workload.metrics,
    errors: Object.fromEntries(errors),
    base,
    systems: Object.fromEntries(
      [...rounds.keys()].map((system) => [system, systemJson(result, system, base)]),
    ),
  };
}

function systemJson(result: WorkloadResult, system: string, base: string): object {
  const names = new Set((result.rounds.get(system) ?? []).flatMap(({ values }) => Object.keys(values)));
  const metrics = [...names].map((name) => [
    name,
    {
      ...valueOf(result, system, name),
      ratioToBase: ratioOf(result, system, name, base),
      rounds: result.rounds.get(system)?.map(({ values }) => values[name]),
    },
  ]);
  return { metrics: Object.fromEntries(metrics), processes: processesOf(result, system) };
}
