const factor = Math.max(0.01, Number(process.env["MCP_TUNNEL_FUZZ_RUNS"] ?? 1));

/** So that `npm test` tries the same cases each time, and fails for what was changed and nothing else. */
const steadySeed = 20_260_101;

/**
 * How often a property is tried. `MCP_TUNNEL_FUZZ_RUNS` multiplies it for long runs, which try new cases each time; a
 * failure prints its seed, and `MCP_TUNNEL_FUZZ_SEED` runs with it again.
 */
export function runs(numRuns: number): { numRuns: number; seed?: number } {
  const seed = process.env["MCP_TUNNEL_FUZZ_SEED"] ?? (factor === 1 ? steadySeed : undefined);
  const parameters = { numRuns: Math.ceil(numRuns * factor) };
  return seed === undefined ? parameters : { ...parameters, seed: Number(seed) };
}

/** For a test that tries a property: long runs take longer. */
export const fuzzTimeoutMs = 20_000 * Math.max(1, factor);
