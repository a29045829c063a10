import { realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, win32 } from "node:path";
import { unusable } from "mcp-tunnel-protocol";
import { configFolder } from "../credentials/config-folder.js";

const fileName = "mcp-tunnel-client.yaml";

/**
 * The config file: the one that was given, or that of the current folder, or the user's own. A file of the
 * current folder is trusted as a Makefile is, because it is read only when a person asks for its tunnels. But
 * it may start commands, and the current folder may be one to which others write, such as /tmp. So a file
 * that was only found has to belong to the user or to root, and others may not write to it. Node tells neither
 * on Windows, where such a file has to be below the user's own folder: {@link distrustOnWindows}.
 * @throws TunnelError `invalid_option` if there is none, or one that others could have written.
 */
export function findConfigFile(given: string | undefined): string {
  if (given === "") throw unusable("--config names no file", { options: ["config"] });
  if (given !== undefined) return given;
  const own = join(configFolder(), fileName);
  for (const path of [fileName, own]) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    const why = distrust(path, found);
    if (why === undefined) return path;
    throw unusable(`${path} may start commands, and ${why}. If you trust it, name it: --config ${path}`, {
      options: ["config"],
      file: path,
    });
  }
  throw unusable(
    `there is no config file: neither ./${fileName} nor ${own}, and --config names none ` +
      "(mcp-tunnel-client start --help shows one to begin with)",
    { options: ["config"] },
  );
}

/** Why a file may be another user's work. */
function distrust(
  path: string,
  { uid, mode }: { readonly uid: number; readonly mode: number },
): string | undefined {
  const self = process.getuid?.();
  if (self === undefined) return distrustOnWindows(longPath(path), [homedir(), configFolder()].map(longPath));
  if (uid !== self && uid !== 0) return "it belongs to another user";
  return (mode & 0o002) === 0 ? undefined : "every user may write to it";
}

/**
 * The same on Windows. Folders of a user are open to that user alone, unless he has changed that. Anywhere
 * else on a disk every user may make files by default (`C:\work`, `D:\`). Git had the same problem
 * (CVE-2022-24765).
 */
export function distrustOnWindows(path: string, ownFolders: readonly string[]): string | undefined {
  const isOwn = ownFolders.some((folder) => {
    const inside = win32.relative(folder, path);
    return inside !== "" && inside !== ".." && !inside.startsWith("..\\") && !win32.isAbsolute(inside);
  });
  return isOwn ? undefined : "it is outside of your own folder, where other users may write";
}

/** The whole path, without links and without the short names of Windows (`C:\Users\RUNNER~1`). */
function longPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    // There need not be a folder of settings.
    return path;
  }
}
