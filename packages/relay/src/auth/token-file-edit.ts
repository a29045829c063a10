import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { formatProblems } from "mcp-tunnel-config";
import { expiryText } from "./expiry.js";
import { readTokenFile, replaceFile } from "./replace-file.js";
import { settingsOf, sizeText, type TokenChanges } from "./token-changes.js";
import { parseTokenList, secretsOf, type TokenEntry, tokenDigest, tokenId } from "./token-list.js";
import { changeTokenText, type Setting, type TokenChange } from "./token-text.js";

/** What the operator decides about a token. */
export interface NewToken {
  /** Patterns of the names that the token may have, one at least. */
  subdomains: readonly string[];
  note?: string | undefined;
  /** A date or a time, as it is written into the file. Default: it never expires. */
  expires?: string | undefined;
  /** Default: `maxTunnelsPerToken` of the relay. */
  maxTunnels?: number | undefined;
  /** Default: `maxTokenRequestsPerSecond` of the relay. */
  maxRequestsPerSecond?: number | undefined;
  /** Default: `maxTokenBytesPerSecond` of the relay. */
  maxBytesPerSecond?: number | undefined;
}

/** A secret that has been drawn. */
export interface DrawnToken {
  /** The token itself, which is kept nowhere. */
  token: string;
  /** The first digits of its digest, by which it is called from now on. */
  id: string;
}

/**
 * Draws a token and adds its digest to the file, which is created if there is none.
 * @throws TunnelError `unavailable` when the file cannot be read or changed; `invalid_option` when it has
 * mistakes, or would have.
 */
export async function createToken(path: string, fields: NewToken): Promise<DrawnToken> {
  const { drawn, sha256 } = draw();
  const { subdomains, note, expires, maxTunnels, maxRequestsPerSecond, maxBytesPerSecond } = fields;
  const limits = {
    ...(maxTunnels === undefined ? {} : { maxTunnels }),
    ...(maxRequestsPerSecond === undefined ? {} : { maxRequestsPerSecond }),
    ...(maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond: sizeText(maxBytesPerSecond) }),
  };
  const entry = {
    sha256,
    subdomains,
    ...(note === undefined ? {} : { note }),
    ...(expires === undefined ? {} : { expires }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
  await edit(path, () => ({ add: entry }));
  return drawn;
}

/**
 * Changes the token whose id starts with `id`. Returns it as it is now.
 * @throws TunnelError as {@link createToken}; `invalid_option` also when no token or more than one has such
 * an id, and when the token would have no name left.
 */
export async function editToken(path: string, id: string, changes: TokenChanges): Promise<TokenEntry> {
  let place = -1;
  const tokens = await edit(path, (entries) => {
    place = find(path, entries, id);
    return { edit: place, set: settingsOf(entries[place] as TokenEntry, changes) };
  });
  return tokens[place] as TokenEntry;
}

/**
 * Gives the token whose id starts with `id` a new secret, and so another id. Everything else about it stays.
 * With `keepOldUntil`, in milliseconds since 1970, the old secret is good until then, beside the new one, and
 * keeps its id. An older secret than that is not good any more.
 * @throws TunnelError as {@link editToken}, and `invalid_option` when the token has expired.
 */
export async function rotateToken(
  path: string,
  id: string,
  { keepOldUntil }: { keepOldUntil?: number | undefined } = {},
): Promise<DrawnToken & { oldId: string }> {
  const { drawn, sha256 } = draw();
  let oldId = "";
  await edit(path, (entries) => {
    const place = find(path, entries, id);
    const old = entries[place] as TokenEntry;
    oldId = tokenId(old.sha256);
    if ((old.expiresAt ?? Infinity) <= Date.now()) {
      throw unusable(
        `the token ${oldId} has expired: give it another end first, with 'mcp-tunnel token edit'`,
      );
    }
    const previous =
      keepOldUntil === undefined ? undefined : { sha256: old.sha256, until: expiryText(keepOldUntil) };
    const set: Setting[] = [
      { at: ["sha256"], value: sha256 },
      { at: ["previous"], value: previous },
    ];
    return { edit: place, set };
  });
  return { ...drawn, oldId };
}

/**
 * Removes the token whose id starts with `id`. If that is the id of an old secret that is kept beside its
 * successor, only this secret is removed. Returns what the secret was good for.
 * @throws TunnelError as {@link createToken}; `invalid_option` also when no token or more than one has such
 * an id.
 */
export async function revokeToken(path: string, id: string): Promise<TokenEntry> {
  let removed: TokenEntry | undefined;
  await edit(path, (entries) => {
    const secrets = entries.flatMap((entry, place) =>
      secretsOf(entry).map((secret, age) => ({ secret, place, isOld: age > 0 })),
    );
    const one = find(
      path,
      secrets.map(({ secret }) => secret),
      id,
    );
    const { secret, place, isOld } = secrets[one] as (typeof secrets)[number];
    removed = secret;
    return isOld ? { edit: place, set: [{ at: ["previous"], value: undefined }] } : { remove: place };
  });
  return removed as TokenEntry;
}

/** @throws TunnelError as {@link createToken}. */
export async function listTokens(path: string): Promise<TokenEntry[]> {
  return entriesOf(path, await readTokenFile(path));
}

function draw(): { drawn: DrawnToken; sha256: string } {
  const token = `mtt_${randomBytes(32).toString("base64url")}`;
  const sha256 = tokenDigest(token);
  return { drawn: { token, id: tokenId(sha256) }, sha256 };
}

/** The place of the token whose id starts with `id`. */
function find(path: string, entries: readonly TokenEntry[], id: string): number {
  const isMeant = ({ sha256 }: TokenEntry): boolean => id !== "" && sha256.startsWith(id.toLowerCase());
  const place = entries.findIndex(isMeant);
  if (place === -1) {
    throw unusable(`no token in ${path} has the id '${id}'; 'mcp-tunnel token list' shows them`);
  }
  if (entries.findLastIndex(isMeant) !== place) {
    throw unusable(`more than one token in ${path} has an id that starts with '${id}'`);
  }
  return place;
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

/** Makes one change to the list of the file. Returns the list as it is now. */
async function edit(
  path: string,
  change: (entries: readonly TokenEntry[]) => TokenChange,
): Promise<readonly TokenEntry[]> {
  let after: TokenEntry[] = [];
  await replaceFile(path, newFile, (text) => {
    // The list has to be well formed before the change, and is checked once more after it.
    const before = entriesOf(path, text);
    const wanted = change(before);
    const changed = changedText(path, text, wanted);
    after = entriesOf(path, changed);
    refuseSideEffects(path, before, after, wanted);
    return changed;
  });
  return after;
}

function changedText(path: string, text: string, change: TokenChange): string {
  try {
    return changeTokenText(text, change);
  } catch (error) {
    throw unusable(`cannot change ${path}: ${messageOf(error)}; ${byHand}`);
  }
}

/** An anchor of YAML that is changed changes every other place that stands for it. */
function refuseSideEffects(
  path: string,
  before: readonly TokenEntry[],
  after: readonly TokenEntry[],
  change: TokenChange,
): void {
  const others = (entries: readonly TokenEntry[], place: number): readonly TokenEntry[] =>
    entries.toSpliced(place, 1);
  const place = "edit" in change ? change.edit : "remove" in change ? change.remove : before.length;
  const rest = "remove" in change ? after : others(after, place);
  if (isDeepStrictEqual(others(before, place), rest)) return;
  throw unusable(`cannot change ${path}: other tokens would change with this one; ${byHand}`);
}

const byHand = "it may use anchors of YAML, so change it by hand. Nothing was changed";

const newFile = `# Tokens of mcp-tunnel clients, by their SHA-256. The relay reads this file again when it changes.
# mcp-tunnel token create|list|edit|rotate|revoke edits it.
tokens: []
`;
