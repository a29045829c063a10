/**
 * Who may visit a service.
 *
 * - `gate.ts`: the gate, which decides about each visit
 * - `handler.ts`: a gate before a request handler, without a tunnel
 * - `credentials/`: keys, passwords and addresses
 * - `oauth/`: the authorization server, its tokens and its metadata
 * - `consent/`: the pages on which people consent, and who may
 * - `state/` (entry `/state`): what was drawn, and what lasts, in files
 * - `service.ts` (entry `/service`): a gate before the service of a tunnel
 */
export { drawPasscode } from "./credentials/passcode.js";
export type { GateDeclaration } from "./declaration.js";
export type { ApprovalKind, GateEvent, RefusedReason } from "./events.js";
export { createGate } from "./gate.js";
export type { Gate } from "./gate.js";
export type { GrantInfo, GrantStorage, StoredGrants, StoredRecord } from "./grants.js";
export { gatedHandler, gatedUpgrade } from "./handler.js";
export type { MountOptions, UpgradeListener } from "./handler.js";
export type {
  BasicUser,
  BearerKey,
  GateKind,
  GateOptions,
  LoginOptions,
  OAuthOptions,
} from "./options.js";
export type { Answer, Identity, Verdict, Visit } from "./visit.js";
