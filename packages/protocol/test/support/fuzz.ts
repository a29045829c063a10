import { appendFileSync } from "node:fs";
import fc, { type Parameters, type RunDetails } from "fast-check";
import { expect } from "vitest";

const factor = Math.max(0.01, Number(process.env["MCP_TUNNEL_FUZZ_RUNS"] ?? 1));
/** Time for which each property is tried instead of a number of runs, in milliseconds: `npm run fuzz`. */
const longMs = Number(process.env["MCP_TUNNEL_FUZZ_MS"] ?? 0);

/**
 * The seed with which `npm test` tries the same cases each time, so that it fails only for a change in the
 * code.
 */
const steadySeed = 20_260_101;

/**
 * How often a property is tried. `MCP_TUNNEL_FUZZ_RUNS` multiplies it for long runs, which try new cases each
 * time. A failure prints its seed and its path; `MCP_TUNNEL_FUZZ_SEED` and `MCP_TUNNEL_FUZZ_PATH` run them
 * again.
 */
export function runs<Values>(numRuns: number): Parameters<Values> {
  const { MCP_TUNNEL_FUZZ_PATH: path } = process.env;
  const seed = process.env["MCP_TUNNEL_FUZZ_SEED"] ?? (factor === 1 ? steadySeed : undefined);
  return {
    ...(longMs > 0
      ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: longMs }
      : { numRuns: Math.ceil(numRuns * factor) }),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
    reporter,
  };
}

/**
 * Time limit of a test that tries a property, in milliseconds. Long runs take longer, and a failing case is
 * made smaller before it is reported.
 */
export const fuzzTimeoutMs = 20_000 * Math.max(1, factor) + 4 * longMs;

/** One line for `npm run fuzz` to read. */
export interface FuzzReport {
  property: string;
  seed: number;
  runs: number;
  /** The failure, if there was one. */
  finding?: { path: string; counterexample: string; error: string };
}

function reporter<Values>(details: RunDetails<Values>): void {
  const file = process.env["MCP_TUNNEL_FUZZ_REPORT"];
  if (file !== undefined) {
    const report: FuzzReport = {
      property: expect.getState().currentTestName ?? "",
      seed: details.seed,
      runs: details.numRuns,
      ...(details.failed && {
        finding: {
          path: details.counterexamplePath ?? "",
          counterexample: fc.stringify(details.counterexample),
          error: String(details.errorInstance),
        },
      }),
    };
    appendFileSync(file, `${JSON.stringify(report)}\n`);
  }
  if (details.failed) throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance });
}
