import { createHash } from "node:crypto";
import { join } from "node:path";
import { relayName } from "mcp-tunnel-client/options";
import { flag, listOf, number, objectOf, text } from "mcp-tunnel-protocol";
import { fileVersion, readJson, writePrivate } from "./files.js";
import type { SlotOptions } from "./slot.js";

/** What stands in `slot.json`. The folder's name is a digest, so this says what the slot is for. */
export interface SlotFile {
  version: 1;
  relay: string;
  hasToken: boolean;
  asked?: string | undefined;
  /** What the relay has called the tunnel, when it was there last. */
  last?:
    | {
        name: string;
        url: string;
        kinds: string[];
        uses: { key: boolean; passcode: boolean };
        places: { name?: string | undefined; path: string }[];
        loginIssuer?: string | undefined;
        atMs: number;
      }
    | undefined;
}

const shape = objectOf<SlotFile>({
  version: fileVersion,
  relay: text(),
  hasToken: flag,
  asked: text().optional(),
  last: objectOf<NonNullable<SlotFile["last"]>>({
    name: text(),
    url: text(),
    kinds: listOf(text()),
    uses: objectOf({ key: flag, passcode: flag }),
    places: listOf(
      objectOf<{ name?: string | undefined; path: string }>({ name: text().optional(), path: text() }),
    ),
    loginIssuer: text().optional(),
    atMs: number(),
  }).optional(),
});

/** @throws TunnelError `unavailable`. */
export function readSlotFile(slot: string): SlotFile | undefined {
  return readJson(slotPath(slot), shape, "The tunnel writes it anew when it is started");
}

/** @throws TunnelError `unavailable`. */
export async function writeSlotFile(slot: string, file: SlotFile): Promise<void> {
  await writePrivate(slotPath(slot), `${JSON.stringify(file, undefined, 2)}\n`);
}

/** A slot that was never used. @throws TunnelError `invalid_option` if the relay's URL is none. */
export function newSlotFile({
  relayUrl,
  token,
  subdomain,
}: Omit<SlotOptions, "onNotice" | "folder">): SlotFile {
  const isAsked = subdomain !== undefined;
  return {
    version: 1,
    relay: relayName(relayUrl),
    hasToken: token !== undefined,
    ...(isAsked ? { asked: subdomain } : {}),
  };
}

/**
 * The name of a slot's folder: a digest, so that it has no part of the token. Nobody else sees it either.
 * @throws TunnelError `invalid_option` if the relay's URL is none.
 */
export function slotFolderName({ relayUrl, token, subdomain }: Omit<SlotOptions, "onNotice">): string {
  const parts = [relayName(relayUrl), token ?? null, subdomain ?? null];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

export function isSlotFolderName(name: string): boolean {
  return /^[0-9a-f]{32}$/.test(name);
}

function slotPath(slot: string): string {
  return join(slot, "slot.json");
}
