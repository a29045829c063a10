import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { link, open, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault, passing, type Shape, TunnelError } from "mcp-tunnel-protocol";
import { messageOf, renameOver } from "mcp-tunnel-shared";
import { stateFolder } from "./folder.js";

// Files that nobody else may read, in folders that nobody else may change.
//
// Files are created with mode 0600, and never narrowed afterwards. A file that others may read is an error:
// what is in it may have been read, and a silent chmod would hide that. A folder is never narrowed either.
// MCP_TUNNEL_STATE_DIR may name a folder that has other uses, and `chmod 700 /tmp` by root ends a machine's
// day. On Windows the folder of the user has an access list that keeps others out, and modes mean nothing.

/** Without O_NONBLOCK, opening a pipe waits until a writer opens it too. Windows knows neither flag. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file that is being written has this at its end, behind a random part. */
const unfinished = ".tmp";
/** After this time nobody writes an unfinished file any more, in milliseconds. */
const leftoverMs = 60_000;

/**
 * Makes a folder, or checks one that is there. `readable`: others may look into it.
 * @throws TunnelError `unavailable` if it cannot be made, or belongs or is open to others.
 */
export function ensureFolder(path: string, { readable }: { readable: boolean }): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unavailable("make", path, error);
  }
  let stats: Stats;
  try {
    stats = lstatSync(path);
  } catch (error) {
    throw unavailable("look at", path, error);
  }
  if (!stats.isDirectory()) throw unsafe(path, "is a symbolic link, which is not followed");
  checkAccess(path, stats, readable ? 0o022 : 0o077);
}

/**
 * The text of a file; undefined if there is none.
 * @throws TunnelError `unavailable` if it cannot be read, or belongs or is open to others.
 */
export function readPrivate(path: string): string | undefined {
  try {
    const file = openSync(path, readFlags);
    try {
      checkFile(path, fstatSync(file));
      return readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return noText(path, error);
  }
}

/**
 * The same for a client that runs: a network file system may let it wait, and visitors must not wait with it.
 * @throws TunnelError `unavailable`.
 */
export async function readPrivateLater(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, readFlags);
    try {
      checkFile(path, await file.stat());
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    return noText(path, error);
  }
}

function checkFile(path: string, stats: Stats): void {
  if (!stats.isFile()) throw new Error("it is not a regular file");
  checkAccess(path, stats, 0o077);
}

/** Nothing if there is no such file. @throws TunnelError `unavailable` if it could not be read. */
function noText(path: string, error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return undefined;
  if (error instanceof TunnelError) throw error;
  // Linux and macOS say ELOOP, FreeBSD EMLINK.
  if (code === "ELOOP" || code === "EMLINK") throw unsafe(path, "is a symbolic link, which is not followed");
  throw unavailable("read", path, error);
}

/** The member `version` of such files. */
export const fileVersion: Shape<1> = passing(
  (value) => value === 1,
  "1, the version that this version of the program knows",
);

/**
 * What a file of JSON holds; undefined if there is no file. `without`: what moving it away costs.
 * @throws TunnelError `unavailable`, also if the file is broken: what is in it is never given up silently.
 */
export function readJson<T>(path: string, shape: Shape<T>, without: string): T | undefined {
  const text = readPrivate(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of JSON.parse quotes the text, which may be a secret.
    throw broken(path, "it is not JSON", without);
  }
  const read = shape.read(value);
  if (!(read instanceof Fault)) return read;
  // The wrong value is not told: it may be a secret.
  const where = read.path.length === 0 ? "it" : read.path.join(".");
  throw broken(path, `${where} must be ${read.expected}`, without);
}

/**
 * Puts a text in place of what a file holds. A reader finds either the old text or the new, also if this
 * process is killed meanwhile.
 * @throws TunnelError `unavailable`.
 */
export async function writePrivate(path: string, text: string): Promise<void> {
  await withUnfinished(path, text, (temporary) => renameOver(temporary, path));
}

/**
 * The same for a file that is not there yet. Of several processes that try, one succeeds. Returns whether
 * it was this one.
 * @throws TunnelError `unavailable`.
 */
export function createPrivate(path: string, text: string): Promise<boolean> {
  return withUnfinished(path, text, async (temporary) => {
    try {
      await link(temporary, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    } finally {
      await rm(temporary, { force: true });
    }
  });
}

/**
 * The names in a folder; none if there is no folder.
 * @throws TunnelError `unavailable`.
 */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    return noNames(folder, error);
  }
}

/** The same for a client that runs. @throws TunnelError `unavailable`. */
export async function namesInLater(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    return noNames(folder, error);
  }
}

function noNames(folder: string, error: unknown): string[] {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
  throw unavailable("read", folder, error);
}

/** Removes what processes have left behind that were killed while they wrote. */
export function removeLeftovers(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    if (!name.endsWith(unfinished)) continue;
    const { mtimeMs } = lstatSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Number.POSITIVE_INFINITY };
    if (Date.now() - mtimeMs > leftoverMs) rmSync(path, { force: true });
  }
}

export function broken(path: string, why: string, without: string): TunnelError {
  const message = `${path} is broken (${why}): mend it, or move it away. ${without}`;
  return new TunnelError("unavailable", message, { file: path });
}

async function withUnfinished<T>(
  path: string,
  text: string,
  finish: (temporary: string) => Promise<T>,
): Promise<T> {
  const temporary = `${path}.${randomBytes(8).toString("hex")}${unfinished}`;
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: "wx", flush: true });
    const result = await finish(temporary);
    await syncFolder(dirname(path));
    return result;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unavailable("write", path, error);
  }
}

/**
 * The new name outlives a power cut too. A revocation that was acknowledged must not come back with an older
 * file. Windows does not know this, and writes its journal in order.
 */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function checkAccess(path: string, { uid, mode }: Stats, forbidden: number): void {
  const own = process.getuid?.();
  if (own === undefined) return;
  if (uid !== own) throw unsafe(path, `belongs to another user (${uid}, and this is ${own})`);
  if ((mode & forbidden) === 0) return;
  const wanted = (mode & 0o777 & ~forbidden).toString(8).padStart(3, "0");
  throw unsafe(
    path,
    `is open to others (mode ${(mode & 0o777).toString(8)}): close it with 'chmod ${wanted}', and renew ` +
      "the secrets that others may have read",
  );
}

function unsafe(path: string, why: string): TunnelError {
  const hint = path.startsWith(stateFolder()) ? ". MCP_TUNNEL_STATE_DIR can name a folder elsewhere" : "";
  return new TunnelError("unavailable", `${path} ${why}${hint}`, { file: path });
}

function unavailable(what: string, path: string, error: unknown): TunnelError {
  const message = `cannot ${what} ${path}: ${messageOf(error)}`;
  return new TunnelError("unavailable", message, { cause: error, file: path });
}
