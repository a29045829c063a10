/**
 * What was drawn, and what lasts, in files.
 *
 *     <state folder>/       MCP_TUNNEL_STATE_DIR, or the place that the system has for it
 *       <slot>/             one for each relay, token and asked name: a digest of the three
 *         slot.json         which relay and name that is, and what the tunnel was when it was there last
 *         key               the bearer key that was drawn
 *         passcode          the passcode that was drawn
 *         grants.json       what OAuth keeps over restarts
 *         holder            the client that runs the tunnel
 *         name-<digest>     the name of a tunnel that asks for none, drawn or picked; one for each service
 *         asked/            what others have left for that client: grants to revoke, word of new keys
 *
 * No lock is needed, so none is left behind by a process that was killed:
 *
 * - `slot.json` and `grants.json` are written by the holder alone
 * - `key`, `passcode` and names are whole values: a draw creates them, a rotation or a choice replaces them
 * - files in `asked/` are created by others, and removed by the holder, which is its acknowledgement
 *
 * Every file is replaced in one step, so that a reader finds the old text or the new (files.ts). Of two
 * clients with one slot the second is the holder, as it has the name at the relay, which closes the first
 * with 4002. Nothing is removed because it was not used for long: the key may stand in the configuration of a
 * host.
 *
 * The parts: `folder.ts`, `files.ts` (who may read them, and how they are written), `slot.ts` (what a slot
 * is), `slot-file.ts`, `secret-files.ts`, `name-file.ts`, `grant-file.ts`, `holder.ts`, `asked.ts`,
 * `open-slot.ts` (for the client that runs the tunnel), `others.ts` (for all other processes). The command
 * keeps other files with secrets by the same rules: `files.ts` is the entry `/files`, which loads nothing
 * else of the gate.
 */
export { drawName, keepName, keptName } from "./name-file.js";
export type { UnnamedTunnel } from "./name-file.js";
export { hasSlot, openSlot } from "./open-slot.js";
export { findSlots, listSlots, revoke, rotate } from "./others.js";
export { readSecrets } from "./secret-files.js";
export { secretKinds } from "./slot.js";
export type {
  Drawn,
  NamedTunnel,
  Place,
  SecretKind,
  Secrets,
  Slot,
  SlotInfo,
  SlotOptions,
  Taken,
} from "./slot.js";
