import { unusable } from "mcp-tunnel-protocol";
import { printable, printableJson } from "mcp-tunnel-shared";
import {
  createToken,
  type DrawnToken,
  editToken,
  listTokens,
  revokeToken,
  rotateToken,
} from "../../auth/token-file-edit.js";
import { expiryText } from "../../auth/expiry.js";
import { type TokenEntry, tokenId } from "../../auth/token-list.js";
import { writeLine } from "../output/output.js";
import { tokenTable } from "../output/token-table.js";
import type { CreateOptions, EditOptions, FileOption, ListOptions, RotateOptions } from "./token-options.js";

export async function create(options: CreateOptions): Promise<void> {
  const { tokenFile, subdomain: subdomains, ...fields } = options;
  const drawn = await createToken(tokenFile, { subdomains, ...fields });
  show(drawn, `created token ${drawn.id}`);
}

export async function list({ tokenFile, wide, json }: ListOptions): Promise<void> {
  const tokens = await listTokens(tokenFile);
  if (json === true) {
    writeLine(printableJson(tokens.map(toJson), 2));
    return;
  }
  // What is not a terminal has no width.
  const width = wide === true ? undefined : process.stdout.columns;
  for (const line of tokenTable(tokens, Date.now(), width)) writeLine(line);
}

function toJson(entry: TokenEntry) {
  const { sha256, expiresAt, previous, ...same } = entry;
  return {
    id: tokenId(sha256),
    ...same,
    expires: expiresAt === undefined ? undefined : isoTime(expiresAt),
    previous: previous && { id: tokenId(previous.sha256), until: isoTime(previous.until) },
  };
}

export async function edit(id: string, options: EditOptions): Promise<void> {
  const { tokenFile, subdomain, addSubdomain, removeSubdomain } = options;
  const changes = {
    subdomains: subdomain,
    addSubdomains: addSubdomain,
    removeSubdomains: removeSubdomain,
    note: unless("", options.note),
    expires: unless("never", options.expires),
    maxTunnels: unless("none", options.maxTunnels),
    maxRequestsPerSecond: unless("none", options.maxRequestsPerSecond),
    maxBytesPerSecond: unless("none", options.maxBytesPerSecond),
  };
  if (Object.values(changes).every((value) => value === undefined)) {
    throw unusable("there is nothing to change: say what, such as --note or --add-subdomain");
  }
  writeLine(`changed ${nameOf(await editToken(tokenFile, id, changes))}`);
}

/** `null` for the word that takes a field away. */
function unless<Word extends string, T>(word: Word, value: T | Word): Exclude<T, Word> | null {
  return value === word ? null : (value as Exclude<T, Word>);
}

export async function rotate(id: string, { tokenFile, keepOld }: RotateOptions): Promise<void> {
  const keepOldUntil = keepOld === undefined ? undefined : Date.now() + keepOld;
  const rotated = await rotateToken(tokenFile, id, { keepOldUntil });
  const { oldId, id: newId } = rotated;
  if (keepOldUntil !== undefined) {
    const until = expiryText(keepOldUntil);
    process.stderr.write(`the old secret keeps the id ${oldId}, and is good until ${until}\n`);
  }
  show(rotated, `token ${oldId} is ${newId} from now on, and has a new secret`);
}

export async function revoke(id: string, { tokenFile }: FileOption): Promise<void> {
  writeLine(`revoked ${nameOf(await revokeToken(tokenFile, id))}`);
}

/** Only the token goes to stdout, for `TOKEN=$(mcp-tunnel token create ...)`. */
function show({ token }: DrawnToken, what: string): void {
  process.stderr.write(`${what}; it is shown only now, the file holds nothing but its digest:\n`);
  writeLine(token);
}

function nameOf({ sha256, note }: TokenEntry): string {
  return `token ${tokenId(sha256)}${note === undefined ? "" : ` (${printable(note)})`}`;
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
