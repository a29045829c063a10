import { unusable } from "mcp-tunnel-protocol";
import { exactBytes } from "mcp-tunnel-shared";
import type { TokenEntry } from "./token-list.js";
import type { Setting } from "./token-text.js";

/** What changes about a token. `null` takes a field away, and a field that is not there stays as it is. */
export interface TokenChanges {
  /** Takes the place of all patterns that the token has. */
  subdomains?: readonly string[] | undefined;
  addSubdomains?: readonly string[] | undefined;
  /** Patterns that the token has, as they are spelled in the file. */
  removeSubdomains?: readonly string[] | undefined;
  note?: string | null | undefined;
  /** A date or a time, as it is written into the file. */
  expires?: string | null | undefined;
  maxTunnels?: number | null | undefined;
  maxRequestsPerSecond?: number | null | undefined;
  maxBytesPerSecond?: number | null | undefined;
}

/**
 * What the changes mean for the file.
 * @throws TunnelError `invalid_option` when the token would have no name left, or has not what is taken away.
 */
export function settingsOf(token: TokenEntry, changes: TokenChanges): Setting[] {
  const { note, expires, maxTunnels, maxRequestsPerSecond, maxBytesPerSecond: bytes } = changes;
  const given: [Setting["at"], unknown][] = [
    [["subdomains"], subdomainsAfter(token, changes)],
    [["note"], note],
    [["expires"], expires],
    [["limits", "maxTunnels"], maxTunnels],
    [["limits", "maxRequestsPerSecond"], maxRequestsPerSecond],
    [["limits", "maxBytesPerSecond"], typeof bytes === "number" ? sizeText(bytes) : bytes],
  ];
  return given
    .filter(([, value]) => value !== undefined)
    .map(([at, value]) => ({ at, value: value ?? undefined }));
}

/** `undefined` when the names stay as they are. */
function subdomainsAfter(token: TokenEntry, changes: TokenChanges): readonly string[] | undefined {
  const { subdomains, addSubdomains = [], removeSubdomains = [] } = changes;
  if (subdomains === undefined && addSubdomains.length + removeSubdomains.length === 0) return undefined;
  const before = new Set([...(subdomains ?? token.subdomains), ...addSubdomains]);
  const missing = removeSubdomains.find((pattern) => !before.has(pattern));
  if (missing !== undefined) {
    throw unusable(`the token has no subdomain '${missing}' to take away: it has ${[...before].join(", ")}`);
  }
  const after = [...before].filter((pattern) => !removeSubdomains.includes(pattern));
  if (after.length > 0) return after;
  throw unusable("the token would have no subdomain left: take it back with 'mcp-tunnel token revoke'");
}

/** A size as people write it, and a plain number as a number. */
export function sizeText(bytes: number): string | number {
  const text = exactBytes(bytes);
  return /^[0-9]+$/.test(text) ? bytes : text;
}
