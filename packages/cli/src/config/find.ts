import { lstatSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, win32 } from "node:path";
import { readRegularFileSync } from "mcp-tunnel-config/files";
import { unusable } from "mcp-tunnel-protocol";
import { configFolder } from "../credentials/config-folder.js";

const fileName = "mcp-tunnel-client.yaml";

/** A config file, which is read when the command starts, and again when it changes. */
export interface ConfigFile {
  readonly path: string;
  /**
   * The text of the file.
   * @throws Error when it cannot be read, or is a pipe, a device or a folder; TunnelError `invalid_option` if
   * nobody has named it and others could have written it.
   */
  readText(this: void): string;
}

/**
 * The config file: the one that was given, or that of the current folder, or the user's own. A file of the
 * current folder is trusted as a Makefile is, because it is read only when a person asks for its tunnels. But
 * it may start commands, and the current folder may be one to which others write, such as /tmp. So a file
 * that was only found has to belong to the user or to root, and others may not write to it. Node tells
 * neither on Windows, where such a file has to be below the user's own folder: {@link distrustOnWindows}.
 * That is looked at each time that it is read: whoever can write to the folder can exchange the file while
 * the command runs.
 * @throws TunnelError `invalid_option` if there is none.
 */
export function findConfigFile(given: string | undefined): ConfigFile {
  if (given === "") throw unusable("--config names no file", { options: ["config"] });
  // Without O_NONBLOCK a pipe in the place of the file would stop all tunnels when it is read again.
  if (given !== undefined) return { path: given, readText: () => readRegularFileSync(given) };
  const own = join(configFolder(), fileName);
  for (const path of [fileName, own]) {
    if (isThere(path)) return { path, readText: () => readTrusted(path) };
  }
  throw unusable(
    `there is no config file: neither ./${fileName} nor ${own}, and --config names none ` +
      "(mcp-tunnel-client start --help shows one to begin with)",
    { options: ["config"] },
  );
}

/** Whoever reads a file that cannot be looked at is told why. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Reads a file that was found. A link has to be the user's too: its owner decides where it leads. */
function readTrusted(path: string): string {
  const check = (owner: Owner): void => {
    const why = distrust(path, owner);
    if (why === undefined) return;
    throw unusable(`${path} may start commands, and ${why}. If you trust it, name it: --config ${path}`, {
      options: ["config"],
      file: path,
    });
  };
  const entry = lstatSync(path);
  // Everybody may write to a link, says its mode, and nobody can.
  if (entry.isSymbolicLink()) check({ uid: entry.uid, mode: 0 });
  return readRegularFileSync(path, check);
}

interface Owner {
  readonly uid: number;
  readonly mode: number;
}

/** Why a file may be another user's work. */
function distrust(path: string, { uid, mode }: Owner): string | undefined {
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
