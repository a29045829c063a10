import type { Finding } from "mcp-tunnel-shared/command";
import type { OptionProblem } from "../options/problems.js";

/** One finding for several problems, as the doctor shows them; `undefined` if there are none. */
export function findingOf(problems: readonly OptionProblem[]): Finding | undefined {
  if (problems.length === 0) return undefined;
  const verdict = problems.some((problem) => problem.verdict === "failed") ? "failed" : "warning";
  const advice = [...new Set(problems.flatMap((problem) => problem.advice ?? []))].join(" ");
  const reason = problems
    .map(({ reason: said, place }) => (place === undefined ? said : `${place.path}:${place.line}: ${said}`))
    .join("; ");
  return { verdict, reason, ...(advice === "" ? {} : { advice }) };
}
