import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { type FileHandle, lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { isSeq, parseDocument } from "yaml";
import { formatProblems } from "mcp-tunnel-config";
import { readRegularFile } from "mcp-tunnel-config/files";
import { parseTokenList, type TokenEntry, tokenDigest, tokenId } from "./token-list.js";

/** How long to wait for another edit, in milliseconds. */
const lockTimeoutMs = 5_000;

export interface NewToken {
  subdomains: readonly string[];
  note?: string | undefined;
  /** A date or a time, as it is written into the file. */
  expires?: string | undefined;
  maxTunnels?: number | undefined;
}

/**
 * Draws a token and adds its digest to the file, which is created if there is none. Only the result holds the
 * token itself.
 * @throws TunnelError `unavailable` when the file cannot be read or changed; `invalid_option` when it has
 * mistakes.
 */
export async function createToken(path: string, options: NewToken): Promise<{ token: string; id: string }> {
  const token = `mtt_${randomBytes(32).toString("base64url")}`;
  const sha256 = tokenDigest(token);
  const { subdomains, note, expires, maxTunnels } = options;
  const entry = {
    sha256,
    subdomains,
    ...(note === undefined ? {} : { note }),
    ...(expires === undefined ? {} : { expires }),
    ...(maxTunnels === undefined ? {} : { limits: { maxTunnels } }),
  };
  await edit(path, (text) => changeList(text, { add: entry }));
  return { token, id: tokenId(sha256) };
}

/**
 * Removes the token whose id starts with `id`.
 * @throws TunnelError as {@link createToken}; `invalid_option` also when no token or more than one has such
 * an id.
 */
export async function revokeToken(path: string, id: string): Promise<TokenEntry> {
  let removed: TokenEntry | undefined;
  await edit(path, (text) => {
    const entries = entriesOf(path, text);
    removed = findEntry(path, entries, id);
    return changeList(text, { remove: entries.indexOf(removed) });
  });
  return removed as TokenEntry;
}

/** @throws TunnelError as {@link createToken}. */
export async function listTokens(path: string): Promise<TokenEntry[]> {
  return entriesOf(path, await read(path));
}

function findEntry(path: string, entries: readonly TokenEntry[], id: string): TokenEntry {
  const [found, second] = entries.filter(({ sha256 }) => id !== "" && sha256.startsWith(id.toLowerCase()));
  if (found === undefined) {
    throw unusable(`no token in ${path} has the id '${id}'; 'mcp-tunnel token list' shows them`);
  }
  if (second !== undefined) {
    throw unusable(`more than one token in ${path} has an id that starts with '${id}'`);
  }
  return found;
}

function entriesOf(path: string, text: string): TokenEntry[] {
  const result = parseTokenList(text);
  if ("value" in result) return result.value;
  throw new TunnelError(
    "invalid_option",
    `the token file has mistakes\n${formatProblems(path, result.problems)}`,
    { file: path },
  );
}

type Change = { add: object } | { remove: number };

/** Makes the change in the style of the file: comments, order and the look of the rest stay. */
function changeList(text: string, change: Change): string {
  const isJson = text.trimStart().startsWith("{");
  return isJson ? changeJson(text, change) : changeYaml(text, change);
}

function changeYaml(text: string, change: Change): string {
  const document = parseDocument(text);
  const list = document.get("tokens");
  if ("remove" in change) document.deleteIn(["tokens", change.remove]);
  else {
    const entry = document.createNode(change.add);
    // An empty list is written `tokens: []` or `tokens:`. Its first entry is written as a block.
    if (isSeq(list) && list.items.length > 0) list.add(entry);
    else document.set("tokens", document.createNode([entry]));
  }
  return document.toString({ lineWidth: 0 });
}

/** JSON has no comments, so a new text loses nothing. The YAML library would write JSON as one line. */
function changeJson(text: string, change: Change): string {
  const contents = JSON.parse(text) as { tokens: object[] | null };
  const tokens = contents.tokens ?? [];
  const changed = "remove" in change ? tokens.toSpliced(change.remove, 1) : [...tokens, change.add];
  return `${JSON.stringify({ ...contents, tokens: changed }, undefined, 2)}\n`;
}

/**
 * Replaces the contents of the file in one step, so that the relay reads either the old or the new contents.
 * The new contents are written to a file beside it that only one process can create. That file is the lock,
 * too.
 */
async function edit(path: string, change: (text: string) => string): Promise<void> {
  const target = await targetOf(path);
  const lockPath = `${target}.lock`;
  const lock = await openLock(lockPath);
  try {
    const before = await stateOf(target);
    refuseOtherNames(path, before);
    const text = before === undefined ? newFile : await read(target);
    // The list has to be well formed before the change, and is checked once more after it.
    entriesOf(path, text);
    const changed = change(text);
    entriesOf(path, changed);
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

const newFile = `# Tokens of mcp-tunnel clients, by their SHA-256. The relay reads this file again when it changes.
# mcp-tunnel token create|list|revoke edits it.
tokens: []
`;

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

async function read(path: string): Promise<string> {
  try {
    return await readRegularFile(path);
  } catch (error) {
    const message = `cannot read the token file ${path}: ${(error as Error).message}`;
    throw new TunnelError("unavailable", message, { cause: error, file: path });
  }
}
