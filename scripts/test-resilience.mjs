// `npm run test:resilience -- [NAME ...]`: runs the tests of test/resilience, or those named, at their full
// size, which takes a quarter of an hour. `npm test` runs a part of each.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const names = process.argv.slice(2);
const files = (names.length === 0 ? [""] : names).map((name) => `test/resilience/${name}`);
const { status, error } = spawnSync(process.execPath, [vitest, "run", ...files, "--no-file-parallelism"], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, MCP_TUNNEL_TEST_FULL: "1" },
});
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
