/**
 * What was drawn, and what lasts, in files.
 *
 *     <state folder>/           stateFolder(): MCP_TUNNEL_STATE_DIR, or the place that the system has for it
 *       <slot>/                 one for each relay, token and asked name: a digest of the three
 *         slot.json             which relay and name that is, and what the relay called the tunnel
 *         key                   the bearer key that was drawn
 *         passcode              the passcode that was drawn
 *         grants.json           what OAuth keeps over restarts
 *         holder                the client that runs the tunnel
 *         asked/                what other processes have left for that client: grants to revoke, new secrets
 */
export type { GrantStorage } from "../grants.js";
export { stateFolder } from "./folder.js";
export { openSlot } from "./open-slot.js";
export { findSlots, listSlots, revoke, rotate } from "./others.js";
export { readSecrets } from "./secret-files.js";
export { secretKinds } from "./slot.js";
export type {
  Drawn,
  NamedTunnel,
  SecretKind,
  Secrets,
  Slot,
  SlotInfo,
  SlotOptions,
  Taken,
} from "./slot.js";
