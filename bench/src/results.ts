import type { Measurement } from "./measure.js";
import { meanOf, median, summarize, type Mean, type Summary } from "./stats.js";
import { targets, type Target } from "./targets.js";
import type { Workload } from "./workload.js";

/** All rounds of one workload, by the system's name. A system that failed has an error instead. */
export interface WorkloadResult {
  readonly workload: Workload;
  readonly rounds: ReadonlyMap<string, readonly Measurement[]>;
  readonly errors: ReadonlyMap<string, string>;
}

/** The median and spread of a metric over the rounds. */
export function valueOf(result: WorkloadResult, system: string, metric: string): Summary | undefined {
  const values = valuesOf(result, system, metric);
  return values.length === 0 ? undefined : summarize(values);
}

/** The same, of the ratio to `base` in each round: a disturbance of the machine in one round touches both. */
export function ratioOf(
  result: WorkloadResult,
  system: string,
  metric: string,
  base = "floor",
): Summary | undefined {
  return combine(valuesOf(result, system, metric), valuesOf(result, base, metric), (a, b) => a / b);
}

/** The same, of the difference to `base` in each round. */
export function differenceOf(
  result: WorkloadResult,
  system: string,
  metric: string,
  base: string,
): Summary | undefined {
  return combine(valuesOf(result, system, metric), valuesOf(result, base, metric), (a, b) => a - b);
}

/** Round by round. */
function combine(
  values: readonly number[],
  bases: readonly number[],
  operator: (value: number, base: number) => number,
): Summary | undefined {
  const rounds = Math.min(values.length, bases.length);
  if (rounds === 0) return undefined;
  const combined = Array.from({ length: rounds }, (_, i) =>
    operator(values[i] as number, bases[i] as number),
  );
  const known = combined.filter((value) => Number.isFinite(value));
  return known.length === 0 ? undefined : summarize(known);
}

function valuesOf(result: WorkloadResult, system: string, metric: string): number[] {
  const values = (result.rounds.get(system) ?? []).map((measurement) => measurement.values[metric]);
  return values.filter((value) => value !== undefined);
}

/** What each process of a system used, over the rounds. */
export function processesOf(
  result: WorkloadResult,
  system: string,
): { name: string; cpu: number | undefined; peakBytes: number }[] {
  const rounds = result.rounds.get(system) ?? [];
  return (rounds[0]?.processes ?? []).map(({ name }, i) => {
    const uses = rounds.map((round) => round.processes[i]).filter((use) => use !== undefined);
    const cpu = uses.map((use) => use.cpu).filter((value) => value !== undefined);
    return {
      name,
      cpu: cpu.length === 0 ? undefined : median(cpu),
      peakBytes: Math.max(...uses.map((use) => use.peakBytes)),
    };
  });
}

/**
 * The ratio of the CPU time for each operation that one process spends in two systems, round by round;
 * `undefined` if fewer than two rounds have both.
 */
export function processRatio(
  result: WorkloadResult,
  system: string,
  base: string,
  process: string,
): Mean | undefined {
  const ofRound = (name: string, round: number): number =>
    result.rounds.get(name)?.[round]?.processes.find((use) => use.name === process)?.cpu ?? Number.NaN;
  const rounds = result.rounds.get(system)?.length ?? 0;
  const ratios = Array.from({ length: rounds }, (_, i) => ofRound(system, i) / ofRound(base, i));
  const known = ratios.filter((ratio) => Number.isFinite(ratio));
  return known.length < 2 ? undefined : meanOf(known);
}

/** A target and the measurement for it. */
export interface Verdict {
  readonly target: Target;
  readonly measured: Summary;
  /**
   * `goal`: reached. `limit`: only the limit is kept. `unclear`: beyond the limit by less than the spread.
   * `missed`: beyond it by more.
   */
  readonly verdict: "goal" | "limit" | "unclear" | "missed";
}

/** Holds the results of the system named against every target whose workload was run. */
export function judge(results: readonly WorkloadResult[], system: string): Verdict[] {
  return targets.flatMap((target) => {
    const measured = measuredFor(target, results, system);
    return measured === undefined ? [] : [verdictOn(target, measured)];
  });
}

/** Holds what another mode of the bench measured against its targets. `measured`: by metric. */
export function judgeMode(mode: string, measured: Readonly<Record<string, Summary>>): Verdict[] {
  return targets.flatMap((target) => {
    const summary = target.workload === mode ? measured[target.metric] : undefined;
    return summary === undefined ? [] : [verdictOn(target, summary)];
  });
}

/**
 * Whether the gate fails for this target: the measurement is beyond `held`, or else `limit`, by more than the
 * spread.
 */
export function failsGate({ target, measured }: Verdict): boolean {
  return !mayReach(target, measured, target.held ?? target.limit);
}

function measuredFor(
  { workload, metric, as, over, overWorkload }: Target,
  results: readonly WorkloadResult[],
  system: string,
): Summary | undefined {
  const named = (name: string): WorkloadResult | undefined =>
    results.find((candidate) => candidate.workload.name === name);
  const result = named(workload);
  if (result === undefined) return undefined;
  switch (as) {
    case "ratio": {
      if (overWorkload === undefined) return ratioOf(result, system, metric, over);
      const base = named(overWorkload);
      if (base === undefined) return undefined;
      const bases = valuesOf(base, over ?? system, metric);
      return combine(valuesOf(result, system, metric), bases, (a, b) => a / b);
    }
    case "over-direct":
      return differenceOf(result, system, metric, "direct");
    case "value":
      return valueOf(result, system, metric);
  }
}

function verdictOn(target: Target, measured: Summary): Verdict {
  return { target, measured, verdict: wordOf(target, measured) };
}

function wordOf(target: Target, measured: Summary): Verdict["verdict"] {
  if (reaches(target, measured.median, target.goal)) return "goal";
  if (reaches(target, measured.median, target.limit)) return "limit";
  return mayReach(target, measured, target.limit) ? "unclear" : "missed";
}

function reaches({ bound }: Target, value: number, wanted: number): boolean {
  return bound === "at-least" ? value >= wanted : value <= wanted;
}

/** Whether the measurement reaches `wanted`, or falls short by no more than the spread. */
function mayReach(target: Target, { median: middle, spread }: Summary, wanted: number): boolean {
  return reaches(target, target.bound === "at-least" ? middle + spread : middle - spread, wanted);
}
