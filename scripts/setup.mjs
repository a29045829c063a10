// Makes a fresh clone ready: installs the locked dependencies when they are missing or out of date, then
// builds. Run by `npm start`, `npm test` and `npm run check`, so that none of them needs a step before it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "node_modules", ".installed-lock");
const lock = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

function run(command, args) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (result.status !== 0) {
    console.error(`setup: "${command} ${args.join(" ")}" failed`);
    process.exit(result.status ?? 1);
  }
}

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  console.error("setup: installing the locked dependencies (npm ci)");
  run("npm", ["ci", "--no-audit", "--no-fund"]);
  writeFileSync(stamp, lock);
}
run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-b"]);
