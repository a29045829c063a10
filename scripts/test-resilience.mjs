// `npm run test:resilience -- [NAME ...]`: runs the tests of test/resilience, or those named, at their full
// size, which takes a quarter of an hour. With `--quick` it runs a part of each, and some seconds of
// test/soak, as CI does.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean", default: false } },
  allowPositionals: true,
});
const all = values.quick ? ["test/resilience/", "test/soak/"] : ["test/resilience/"];
const files = positionals.length === 0 ? all : positionals.map((name) => `test/resilience/${name}`);
const size = values.quick ? [] : ["--no-file-parallelism"];
const { status, error } = spawnSync(
  process.execPath,
  [vitest, "run", "--mode", "resilience", ...files, ...size],
  {
    cwd: root,
    stdio: "inherit",
    env: values.quick ? process.env : { ...process.env, MCP_TUNNEL_TEST_FULL: "1" },
  },
);
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
