import { existsSync } from "node:fs";
import { join } from "node:path";
import { relayName } from "mcp-tunnel-client/options";
import { messageOf } from "mcp-tunnel-shared";
import type { GrantInfo } from "../grants.js";
import { AskedFolder } from "./asked.js";
import { ensureFolder, namesIn } from "./files.js";
import { stateFolder } from "./folder.js";
import { readGrants } from "./grant-file.js";
import { isHeld } from "./holder.js";
import { drawAnew, secretFiles } from "./secret-files.js";
import type { SecretKind, Secrets, SlotInfo, Taken } from "./slot.js";
import { isSlotFolderName, readSlotFile } from "./slot-file.js";

// What processes do that do not run the tunnel: `auth list`, `auth show`, `auth revoke`, `auth rotate`.

/**
 * All slots, the one that was named last first. Nothing is removed by itself, however long it was not used:
 * the key of a slot may stand in the configuration of a host, and a slot has a few kilobytes. The list shows
 * when each was there last, and the person may remove its folder.
 * @throws TunnelError `unavailable` if the folder cannot be read, or is open to others.
 */
export function listSlots(folder: string = stateFolder()): SlotInfo[] {
  return slotFolders(folder)
    .map((name) => readSlot(join(folder, name)))
    .filter((slot) => slot !== undefined)
    .sort((a, b) => (b.lastNamedMs ?? 0) - (a.lastNamedMs ?? 0));
}

/**
 * The slots of tunnels that have, or asked for, this name. There may be several: at other relays, or with
 * another token.
 * @throws TunnelError as {@link listSlots}; `invalid_option` if the relay's URL is none.
 */
export function findSlots(
  name: string,
  { relayUrl, folder }: { readonly relayUrl?: string; readonly folder?: string } = {},
): SlotInfo[] {
  const relay = relayUrl === undefined ? undefined : relayName(relayUrl);
  return listSlots(folder).filter(
    (slot) => (slot.name === name || slot.asked === name) && (relay === undefined || slot.relay === relay),
  );
}

/**
 * Revokes grants. A client that runs the tunnel takes that at once, and is waited for up to 2 s.
 * @throws TunnelError `unavailable`.
 */
export async function revoke(
  { path }: Pick<SlotInfo, "path">,
  grants: readonly string[] | "all",
): Promise<Taken> {
  const asked = reach(path);
  const ids = grants === "all" ? (readGrants(path)?.grants ?? []).map(({ id }) => id) : grants;
  return asked.revoke(ids);
}

/**
 * Draws secrets anew. What was drawn before is worth nothing as soon as a client that runs the tunnel has
 * taken that. It is waited for up to 2 s.
 * @throws TunnelError `unavailable`.
 */
export async function rotate(
  { path }: Pick<SlotInfo, "path">,
  kinds: readonly SecretKind[],
  drawPasscode: () => string,
): Promise<{ secrets: Secrets; taken: Taken }> {
  const asked = reach(path);
  const secrets = await drawAnew(path, kinds, drawPasscode);
  // The file is written before the client is told: a client that starts in between reads the new secrets.
  return { secrets, taken: await asked.renew() };
}

/** No secret is written into a folder that is open to others. */
function reach(slot: string): AskedFolder {
  const asked = new AskedFolder(slot);
  ensureFolder(slot, { readable: false });
  ensureFolder(asked.path, { readable: false });
  return asked;
}

function slotFolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  ensureFolder(folder, { readable: true });
  return namesIn(folder).filter(isSlotFolderName);
}

/** The last use is known to the minute, and so may seem to come before the grant. */
function inOrder(grant: GrantInfo): GrantInfo {
  return { ...grant, lastUsedMs: Math.max(grant.lastUsedMs, grant.sinceMs) };
}

/**
 * Undefined: nothing is in it. A client was killed as it made the folder, or has never got a name for its
 * tunnel, and nothing was drawn for it.
 */
function readSlot(path: string): SlotInfo | undefined {
  let problem: string | undefined;
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      problem ??= messageOf(error);
      return undefined;
    }
  };
  attempt(() => ensureFolder(path, { readable: false }));
  const file = attempt(() => readSlotFile(path));
  if (file === undefined && problem === undefined) return undefined;
  const files = secretFiles(path);
  const drawn = { key: existsSync(files.key), passcode: existsSync(files.passcode) };
  const revoked = attempt(() => new AskedFolder(path).read().revoked) ?? [];
  const grants = attempt(() => readGrants(path)?.grants) ?? [];
  const isUsed = file?.last !== undefined || drawn.key || drawn.passcode || grants.length > 0;
  if (!isUsed && problem === undefined) return undefined;
  return {
    path,
    relay: file?.relay,
    hasToken: file?.hasToken,
    asked: file?.asked,
    name: file?.last?.name,
    url: file?.last?.url,
    kinds: file?.last?.kinds ?? [],
    places: file?.last?.places ?? [],
    loginIssuer: file?.last?.loginIssuer,
    uses: file?.last?.uses ?? { key: true, passcode: true },
    lastNamedMs: file?.last?.atMs,
    isRunning: attempt(() => isHeld(path)) ?? false,
    files,
    drawn,
    grants: grants.filter(({ id }) => !revoked.includes(id)).map(inOrder),
    problem,
  };
}
