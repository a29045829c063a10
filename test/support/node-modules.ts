import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installedOnce } from "./installed.js";

/** The files of a folder that npm reads. */
const manifests = ["package.json", "package-lock.json"];

/**
 * A folder with the packages that the package-lock.json of `folder` names. They are not installed with this
 * repository's own packages. The folder is made once, in the user's cache. If that fails, the caller has to
 * skip its tests: the function returns undefined and tells the reason on stderr. Under CI it throws.
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
 * A copy of `folder` below the modules that it needs, because Node and bundlers look for modules in the
 * folders above a file. Files that programs leave in the copy go with it.
 */
export function copyBelow(modules: string, folder: string): { readonly path: string; close(): void } {
  const path = mkdtempSync(join(modules, "run-"));
  cpSync(folder, path, { recursive: true });
  return { path, close: () => rmSync(path, { recursive: true, force: true }) };
}
