import { createHash } from "node:crypto";
import { join } from "node:path";
import { relayName } from "mcp-tunnel-client/options";
import { z } from "zod";
import { readJson, writePrivate } from "./files.js";
import type { SlotOptions } from "./slot.js";

const shape = z.object({
  version: z.literal(1, "it is not of version 1, the one that this version of the program knows"),
  relay: z.string(),
  hasToken: z.boolean(),
  asked: z.string().optional(),
  /** What the relay has called the tunnel, when it was there last. */
  last: z
    .object({
      name: z.string(),
      url: z.string(),
      kinds: z.array(z.string()),
      uses: z.object({ key: z.boolean(), passcode: z.boolean() }),
      places: z.array(z.object({ name: z.string().optional(), path: z.string() })),
      loginIssuer: z.string().optional(),
      atMs: z.number(),
    })
    .optional(),
});

/** What stands in `slot.json`. The folder's name is a digest, so this says what the slot is for. */
export type SlotFile = z.infer<typeof shape>;

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
