import { show, table } from "../report.js";
import { differenceOf, processRatio, ratioOf, type WorkloadResult } from "../results.js";
import { one } from "./systems.js";

/**
 * What each way costs more than one relay, in CPU time of all processes: for each operation, and as a ratio.
 */
export function extraTable(results: readonly WorkloadResult[], systems: readonly string[]): string {
  const others = systems.filter((name) => name !== one.name);
  const rows = results.map((result) => [
    result.workload.title,
    result.workload.operation ?? "",
    ...others.map((name) => {
      const more = differenceOf(result, name, "cpu", one.name);
      const ratio = ratioOf(result, name, "cpu", one.name);
      return more === undefined || ratio === undefined ? "–" : `${show(more)} (x ${show(ratio)})`;
    }),
  ]);
  return table(["more CPU than one relay, µs", "for each", ...others], rows);
}

/** The relay that is alone, beside that of another checkout: the mean of pairs of rounds. */
export function pairTable(results: readonly WorkloadResult[]): string {
  const rows = results.flatMap((result) => {
    const ratio = processRatio(result, one.name, "against", "relay");
    if (ratio === undefined) return [];
    const { mean, low, high } = ratio;
    return [[result.workload.title, mean.toFixed(3), `${low.toFixed(3)} to ${high.toFixed(3)}`]];
  });
  return table(["the relay's CPU over that of the other checkout", "mean", "95%"], rows);
}
