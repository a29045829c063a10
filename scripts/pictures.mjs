// `npm run pictures`: makes the pictures of the README, docs/pictures, from the running commands. Needs
// Chromium, `script` (util-linux), and npm for the MCP server that is shown.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const folders = (process.env.PATH ?? "").split(delimiter);
const needed = {
  script: folders.some((folder) => existsSync(join(folder, "script"))),
  "/usr/bin/chromium": existsSync("/usr/bin/chromium"),
};
const missing = Object.keys(needed).filter((name) => !needed[name]);
if (missing.length > 0) {
  console.error(`pictures: not installed: ${missing.join(", ")}`);
  process.exit(1);
}
// Under CI a skipped step fails. Here too: a picture that was not made is no success.
const { status, error } = spawnSync(
  process.execPath,
  [vitest, "run", "--mode", "pictures", "test/pictures"],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, CI: "true" },
  },
);
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
