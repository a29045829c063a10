import { ApiProblem, problemOf as knownProblemOf } from "mcp-tunnel-shared/page";
import { FilterError } from "../query/filters.js";

/** The problem that an error stands for. */
export function problemOf(error: unknown): ApiProblem {
  if (error instanceof FilterError) return new ApiProblem(400, "bad_filter", error.message);
  return knownProblemOf(error, "the inspector");
}
