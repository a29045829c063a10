import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { installedOnce } from "./installed.js";
import { missingProgram } from "./requires.js";

/**
 * The interpreter of a virtual environment with the packages that `requirements`, a file of pip's, names. The
 * environment is made once, in the user's cache. If that fails, the caller has to skip its tests: the
 * function returns undefined and tells the reason on stderr. Under CI it throws.
 */
export function pythonWith(requirements: string): string | undefined {
  if (missingProgram("python3")) return undefined;
  const version = (): Buffer => execFileSync("python3", ["-c", "import sys; print(sys.version)"]);
  const folder = installedOnce(
    "python",
    requirements,
    () => [version(), readFileSync(requirements)],
    (target) => {
      execFileSync("python3", ["-m", "venv", target], { stdio: "pipe" });
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
      execFileSync(join(target, "bin", "python"), [...pip, "--requirement", requirements], { stdio: "pipe" });
    },
  );
  // The caller runs `python -m`: that needs no path that the move into the cache would break.
  return folder === undefined ? undefined : join(folder, "bin", "python");
}
