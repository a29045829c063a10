/**
 * The size of each test. `npm test` runs enough of it to find an existing mistake. `npm run test:resilience`
 * runs all that the claims in docs/resilience.md are about, which takes a quarter of an hour.
 */
export const isFullRun = process.env["MCP_TUNNEL_TEST_FULL"] === "1";

/** `part` in `npm test`, `whole` in the full run. */
export function scaled<T>(part: T, whole: T): T {
  return isFullRun ? whole : part;
}
