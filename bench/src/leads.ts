import { ratioOf, type WorkloadResult } from "./results.js";
import type { Summary } from "./stats.js";

/** How the tunnel stands to the best of its kind in one row. */
export interface Lead {
  /** The row's title. */
  readonly title: string;
  /** The row's main metric. */
  readonly metric: string;
  /** The other system that comes nearest, or is the furthest ahead. */
  readonly rival: string;
  /** How many times better the tunnel is: above 1 it is ahead, whichever way the metric counts. */
  readonly ratio: Summary;
  /** `even`: the spread of the rounds does not tell. */
  readonly verdict: "ahead" | "even" | "behind";
}

/** Holds a system against the best of the rivals in every row in which one of them took part. */
export function leads(results: readonly WorkloadResult[], system: string, rivals: readonly string[]): Lead[] {
  return results.flatMap((result) => {
    const [metric, { better }] = Object.entries(result.workload.metrics)[0] as [
      string,
      { better: "higher" | "lower" },
    ];
    const standings = rivals.flatMap((rival) => {
      const ratio =
        better === "higher" ? ratioOf(result, system, metric, rival) : ratioOf(result, rival, metric, system);
      return ratio === undefined ? [] : [{ rival, ratio }];
    });
    const [nearest] = standings.toSorted((a, b) => a.ratio.median - b.ratio.median);
    if (nearest === undefined) return [];
    return [{ title: result.workload.title, metric, ...nearest, verdict: verdictOf(nearest.ratio) }];
  });
}

function verdictOf({ median, spread }: Summary): Lead["verdict"] {
  if (median - spread > 1) return "ahead";
  return median + spread < 1 ? "behind" : "even";
}
