// Makes a fresh clone ready: installs the locked dependencies when they are missing or out of date, then
// builds. `npm start`, `npm test` and `npm run check` run it, so that none of them needs a step before it.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Whether all packages of package-lock.json are installed in their versions, by npm's own record of the
 * installation.
 */
function isInstalled() {
  let record;
  try {
    record = readPackages(join("node_modules", ".package-lock.json"));
  } catch {
    return false;
  }
  return Object.entries(readPackages("package-lock.json")).every(
    // Optional packages belong to other platforms. Paths outside node_modules are the workspace's own.
    ([path, { version, optional, link }]) =>
      optional === true ||
      !path.includes("node_modules/") ||
      link === true ||
      record[path]?.version === version,
  );
}

function readPackages(file) {
  return JSON.parse(readFileSync(join(root, file), "utf8")).packages;
}

function run(command, args) {
  // npm is npm.cmd on Windows, which only a shell runs (CVE-2024-27980). Node has its whole path, which may
  // have a space in it (C:\Program Files), and needs no shell.
  const shell = process.platform === "win32" && command === "npm";
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell });
  if (result.status !== 0) {
    console.error(`setup: "${command} ${args.join(" ")}" failed`);
    process.exit(result.status ?? 1);
  }
}

if (!isInstalled()) {
  console.error("setup: installing the locked dependencies (npm ci)");
  run("npm", ["ci", "--no-audit", "--no-fund"]);
}
run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-b"]);
for (const name of ["inspector", "dashboard"]) {
  run(process.execPath, [join(root, "packages", name, "build-page.mjs")]);
}
run(process.execPath, [join(root, "scripts", "client-package.mjs")]);
