import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { installedOnce } from "./installed.js";
import { missingProgram } from "./requires.js";

/**
 * The interpreter of a virtual environment that holds what `requirements`, a file of pip's, names. It is made once, in the user's
 * cache. If that fails the tests are to be skipped: then it returns nothing and tells the reason, or throws under CI.
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
  // `python -m` needs no path that the move into the cache would break.
  return folder === undefined ? undefined : join(folder, "bin", "python");
}
