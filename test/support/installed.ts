import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { missing } from "./requires.js";

/**
 * The folder in the user's cache that `install` has filled, made once for each value of `key`. If `install`
 * fails, the caller has to skip its tests: the function returns undefined and tells on stderr why `what`
 * cannot be installed. Under CI it throws.
 */
export function installedOnce(
  kind: "python" | "node",
  what: string,
  key: () => readonly (string | Buffer)[],
  install: (folder: string) => void,
): string | undefined {
  try {
    const hash = createHash("sha256");
    for (const part of key()) hash.update(part);
    const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
    const folder = join(cache, "mcp-tunnel-tests", `${kind}-${hash.digest("hex").slice(0, 16)}`);
    if (!existsSync(folder)) installBeside(folder, install);
    return folder;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    missing(`the packages that ${what} names cannot be installed: ${stderr?.toString().trim() || message}`);
    return undefined;
  }
}

/**
 * Moves the folder into its place only when it is complete: several tests may install at once, and one may be
 * interrupted.
 */
function installBeside(folder: string, install: (folder: string) => void): void {
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}-`);
  try {
    install(partial);
    if (!existsSync(folder)) renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
