import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Installs the locked packages of `folder` with `npm ci`, if some are missing or have another version. `who`
 * stands before the lines on stderr. Ends the process if npm fails.
 */
export function installLocked(folder, who) {
  if (isInstalled(folder)) return;
  console.error(`${who}: installing the locked dependencies (npm ci)`);
  runOrExit(folder, who, "npm", ["ci", "--no-audit", "--no-fund"]);
}

/** Runs a command in `folder`, with its output on stderr. Ends the process with its status if it fails. */
export function runOrExit(folder, who, command, args) {
  // npm is npm.cmd on Windows, which only a shell runs (CVE-2024-27980). Node has its whole path, which may
  // have a space in it (C:\Program Files), and needs no shell.
  const shell = process.platform === "win32" && command === "npm";
  const result = spawnSync(command, args, { cwd: folder, stdio: ["ignore", 2, 2], shell });
  if (result.status !== 0) {
    console.error(`${who}: "${command} ${args.join(" ")}" failed`);
    process.exit(result.status ?? 1);
  }
}

/**
 * Whether all packages of package-lock.json are installed in their versions, by npm's own record of the
 * installation.
 */
function isInstalled(folder) {
  let record;
  try {
    record = readPackages(join(folder, "node_modules", ".package-lock.json"));
  } catch {
    return false;
  }
  return Object.entries(readPackages(join(folder, "package-lock.json"))).every(
    // Optional packages belong to other platforms. Paths outside node_modules are the workspace's own.
    ([path, { version, optional, link }]) =>
      optional === true ||
      !path.includes("node_modules/") ||
      link === true ||
      record[path]?.version === version,
  );
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages;
}
