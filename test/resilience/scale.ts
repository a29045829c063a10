/**
 * The size of each test. `npm run test:resilience -- --quick` runs enough of it to find an existing mistake.
 * Without `--quick` it runs all that the claims in docs/resilience.md are about, which takes a quarter of an
 * hour.
 */
export const isFullRun = process.env["MCP_TUNNEL_TEST_FULL"] === "1";

/** `part` with `--quick`, `whole` in the full run. */
export function scaled<T>(part: T, whole: T): T {
  return isFullRun ? whole : part;
}
