import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { missing, missingProgram } from "./requires.js";

/**
 * The interpreter of a virtual environment that holds what `requirements`, a file of pip's, names. It is made once, in the user's
 * cache. If that fails the tests are to be skipped: then it returns nothing and tells the reason, or throws under CI.
 */
export function pythonWith(requirements: string): string | undefined {
  if (missingProgram("python3")) return undefined;
  try {
    const version = execFileSync("python3", ["-c", "import sys; print(sys.version)"]);
    const key = createHash("sha256").update(version).update(readFileSync(requirements)).digest("hex");
    const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
    const folder = join(cache, "mcp-tunnel-tests", `python-${key.slice(0, 16)}`);
    if (!existsSync(folder)) install(requirements, folder);
    return join(folder, "bin", "python");
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    missing(`what ${requirements} names cannot be installed: ${stderr?.toString().trim() || message}`);
    return undefined;
  }
}

/** Installs beside `folder` and puts it there when it is whole: several tests may do so at once, and one may be interrupted. */
function install(requirements: string, folder: string): void {
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}-`);
  try {
    execFileSync("python3", ["-m", "venv", partial], { stdio: "pipe" });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    execFileSync(join(partial, "bin", "python"), [...pip, "--requirement", requirements], { stdio: "pipe" });
    // `python -m` needs no path that the move would break.
    if (!existsSync(folder)) renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
