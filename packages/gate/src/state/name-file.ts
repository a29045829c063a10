import { createHash } from "node:crypto";
import { join } from "node:path";
import { isName, maxNameLength } from "mcp-tunnel-protocol";
import { drawProquints } from "../proquints.js";
import { ensureFolder, readPrivate, writePrivate } from "./files.js";
import { stateFolder } from "./folder.js";
import type { SlotOptions } from "./slot.js";
import { newSlotFile, readSlotFile, slotFolderName, writeSlotFile } from "./slot-file.js";

// A relay that lets a token choose among names offers patterns. The name that was drawn or picked then is
// kept, so that the tunnel has the same URL at its next start. It is kept for each service: two tunnels that
// are started without a name would otherwise take one name from one another.

/** A tunnel that asks the relay for no name. */
export type UnnamedTunnel = Pick<SlotOptions, "relayUrl" | "token" | "folder"> & {
  /** What is served, as a person would name it. */
  readonly served: string;
};

/**
 * The name that the tunnel had when a name was drawn or picked for it; undefined for none.
 * @throws TunnelError `unavailable`; `invalid_option` if the relay's URL is none.
 */
export function keptName(tunnel: UnnamedTunnel): string | undefined {
  const name = readPrivate(join(slotOf(tunnel), fileName(tunnel)))?.trimEnd();
  // A file that somebody has broken keeps no name, and is written anew.
  return name !== undefined && isName(name) ? name : undefined;
}

/**
 * Keeps a name for the next start.
 * @throws TunnelError `unavailable`; `invalid_option` if the relay's URL is none.
 */
export async function keepName(tunnel: UnnamedTunnel, name: string): Promise<void> {
  const slot = slotOf(tunnel);
  ensureFolder(tunnel.folder ?? stateFolder(), { readable: true });
  ensureFolder(slot, { readable: false });
  if (readSlotFile(slot) === undefined) {
    await writeSlotFile(slot, newSlotFile({ ...tunnel, subdomain: undefined }));
  }
  await writePrivate(join(slot, fileName(tunnel)), `${name}\n`);
}

/**
 * Draws a name that fits a pattern with one `*`, such as `dev-lusab-babad` for `dev-*`: 32 bits in two words
 * that can be pronounced. Where a long pattern leaves less room, the words are cut.
 */
export function drawName(pattern: string): string {
  const room = maxNameLength - (pattern.length - 1);
  const words = drawProquints(2).slice(0, Math.max(room, 0)).replace(/-$/, "");
  return pattern.replace("*", words).toLowerCase();
}

function slotOf({ folder, ...tunnel }: UnnamedTunnel): string {
  return join(folder ?? stateFolder(), slotFolderName({ ...tunnel, subdomain: undefined }));
}

function fileName({ served }: UnnamedTunnel): string {
  return `name-${createHash("sha256").update(served).digest("hex").slice(0, 16)}`;
}
