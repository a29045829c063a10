import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Whether a test has to be skipped because `name` is not installed:
 * `describe.skipIf(missingProgram("nginx"))`. Tells the reason on stderr. Under CI no test may be skipped on
 * Linux, so there it throws. `.ci/run` lists Debian's packages for the programs that the tests need.
 */
export function missingProgram(name: string): boolean {
  // /usr/sbin holds nginx on Debian and is not on every user's PATH.
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  if (folders.some((folder) => isExecutable(join(folder, name)))) return false;
  return missing(`the program "${name}" is not installed; its package belongs in .ci/run`);
}

/** Says on stderr why a test is skipped, and returns true. Under CI it throws on Linux. */
export function missing(reason: string): true {
  if (process.env["CI"] !== undefined && process.platform === "linux") throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return true;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
