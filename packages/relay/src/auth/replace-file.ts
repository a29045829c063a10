import type { Stats } from "node:fs";
import { type FileHandle, lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { TunnelError } from "mcp-tunnel-protocol";
import { readRegularFile } from "mcp-tunnel-config/files";

/** How long to wait for another edit, in milliseconds. */
const lockTimeoutMs = 5_000;

/**
 * Replaces the contents of the token file in one step, so that the relay reads either the old or the new
 * contents. The new contents are written to a file beside it that only one process can create. That file is
 * the lock, too. `absent`: the text that stands for a file that is not there yet.
 * @throws TunnelError `unavailable` when the file cannot be read or changed; those of `change`.
 */
export async function replaceFile(
  path: string,
  absent: string,
  change: (text: string) => string,
): Promise<void> {
  const target = await targetOf(path);
  const lockPath = `${target}.lock`;
  const lock = await openLock(lockPath);
  try {
    const before = await stateOf(target);
    refuseOtherNames(path, before);
    const changed = change(before === undefined ? absent : await readTokenFile(target));
    // The new file gets its owner while it is empty. A user who may not give files away changes nothing then,
    // and nobody else ever reads the digests of the tokens.
    if (before !== undefined) await takeAccess(lock, before, path);
    await lock.writeFile(changed);
    await lock.sync();
    await lock.close();
    await rename(lockPath, target);
  } catch (error) {
    await lock.close().catch(() => {});
    await rm(lockPath, { force: true });
    if (error instanceof TunnelError) throw error;
    throw cannotChange(path, (error as Error).message, error);
  }
}

/** @throws TunnelError `unavailable` when the file cannot be read. */
export async function readTokenFile(path: string): Promise<string> {
  try {
    return await readRegularFile(path);
  } catch (error) {
    const message = `cannot read the token file ${path}: ${(error as Error).message}`;
    throw new TunnelError("unavailable", message, { cause: error, file: path });
  }
}

function cannotChange(path: string, why: string, cause?: unknown): TunnelError {
  return new TunnelError("unavailable", `cannot change ${path}: ${why}`, { cause, file: path });
}

/**
 * The file that is replaced. Of a symbolic link this is the target, so that the link stays.
 * @throws TunnelError `unavailable`, also when a link leads nowhere: the relay may wait for a file at that
 * place.
 */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    // A file that is there by now was made by another edit in the meantime, and is no link.
    const isLink =
      isMissing &&
      (await lstat(path)
        .then((stats) => stats.isSymbolicLink())
        .catch(() => false));
    if (isMissing && !isLink) return path;
    const why = isLink ? "it is a symbolic link to a file that is not there" : (error as Error).message;
    throw cannotChange(path, `${why}. Nothing was changed`, error);
  }
}

/**
 * Refuses a file with hard links: a relay that reads it by another name would go on reading the old contents.
 */
function refuseOtherNames(path: string, before: Stats | undefined): void {
  const others = (before?.nlink ?? 1) - 1;
  if (others <= 0) return;
  throw cannotChange(
    path,
    `the file has ${others} more ${others === 1 ? "name" : "names"} (hard links), by which a relay would ` +
      "go on reading the old contents; give the file one name, or use a symbolic link. Nothing was changed",
  );
}

/**
 * `undefined` when there is no such file yet. A file that cannot be looked at is an error, and not taken for
 * absent.
 */
async function stateOf(target: string): Promise<Stats | undefined> {
  try {
    return await stat(target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Gives the new file the owner, the group and the mode of the old one, because the relay has to go on reading
 * it. The relay is not root, and may have its access by the group alone. Access lists and extended attributes
 * are not taken over, because Node knows none of them. Those that the folder hands down (`setfacl -d`) are
 * there again.
 */
async function takeAccess(file: FileHandle, { uid, gid, mode }: Stats, path: string): Promise<void> {
  const made = await file.stat();
  if (made.uid !== uid || made.gid !== gid) {
    await file.chown(uid, gid).catch((error: unknown) => {
      throw cannotChange(
        path,
        `the new file could not be given to its owner and group (${uid}:${gid}), so the relay might not be able to ` +
          "read it; do this as root, or as the owner and a member of the group. Nothing was changed",
        error,
      );
    });
  }
  // The mode comes after the owner, because a change of the owner takes rights away.
  await file.chmod(mode & 0o777);
}

async function openLock(lockPath: string): Promise<FileHandle> {
  const deadline = performance.now() + lockTimeoutMs;
  for (;;) {
    try {
      return await open(lockPath, "wx", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        const message = `cannot write ${lockPath}: ${(error as Error).message}`;
        throw new TunnelError("unavailable", message, { cause: error, file: lockPath });
      }
    }
    if (performance.now() > deadline) {
      const message = `${lockPath} exists: another edit is going on. If none is, a crash left it behind: delete it`;
      throw new TunnelError("unavailable", message, { file: lockPath });
    }
    await delay(20);
  }
}
