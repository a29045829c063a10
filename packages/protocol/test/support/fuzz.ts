import { appendFileSync } from "node:fs";
import fc, { type Parameters, type RunDetails } from "fast-check";
import { expect } from "vitest";

const factor = Math.max(0.01, Number(process.env["MCP_TUNNEL_FUZZ_RUNS"] ?? 1));
/** How long each property is tried instead, in milliseconds: `npm run fuzz`. */
const longMs = Number(process.env["MCP_TUNNEL_FUZZ_MS"] ?? 0);

/** So that `npm test` tries the same cases each time, and fails for what was changed and nothing else. */
const steadySeed = 20_260_101;

/**
 * How often a property is tried. `MCP_TUNNEL_FUZZ_RUNS` multiplies it for long runs, which try new cases each time; a
 * failure prints its seed and its path, and `MCP_TUNNEL_FUZZ_SEED` and `MCP_TUNNEL_FUZZ_PATH` run with them again.
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

/** For a test that tries a property: long runs take longer, and a failure is made smaller before it is told. */
export const fuzzTimeoutMs = 20_000 * Math.max(1, factor) + 4 * longMs;

/** One line for `npm run fuzz` to read. */
export interface FuzzReport {
  property: string;
  seed: number;
  runs: number;
  /** What failed, if something did. */
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
