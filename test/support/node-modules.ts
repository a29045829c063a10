import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installedOnce } from "./installed.js";

/** What npm reads of a folder. */
const manifests = ["package.json", "package-lock.json"];

/**
 * A folder that holds what the package-lock.json of `folder` names: nothing there is installed with this repository's own packages.
 * It is made once, in the user's cache. If that fails the tests are to be skipped: then it returns nothing and tells the reason, or
 * throws under CI.
 */
export function modulesOf(folder: string): string | undefined {
  return installedOnce(
    "node",
    `${folder}/package-lock.json`,
    () => manifests.map((name) => readFileSync(join(folder, name))),
    (target) => {
      for (const name of manifests) copyFileSync(join(folder, name), join(target, name));
      const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
      execFileSync("npm", ["ci", ...options], { cwd: target, stdio: "pipe" });
    },
  );
}

/**
 * A copy of `folder` below the modules that it needs, since Node and bundlers look for them in the folders above a file.
 * What programs leave there goes with it.
 */
export function copyBelow(modules: string, folder: string): { readonly path: string; close(): void } {
  const path = mkdtempSync(join(modules, "run-"));
  cpSync(folder, path, { recursive: true });
  return { path, close: () => rmSync(path, { recursive: true, force: true }) };
}
