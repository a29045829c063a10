// `npm run soak -- [--minutes N]`: runs test/soak for that long (default 10). Exit status 1 if something is
// left behind.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
if (!(Number(values.minutes) > 0)) {
  console.error("usage: npm run soak -- [--minutes N]");
  process.exit(2);
}
const { status, error } = spawnSync(process.execPath, [vitest, "run", "--mode", "resilience", "test/soak/"], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, MCP_TUNNEL_SOAK_MINUTES: values.minutes },
});
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
