/** Values of the options that a command needs before it loads the gate. */
export { gateKinds } from "./options.js";
export type { GateKind } from "./options.js";
export { ownPrefix } from "./paths.js";
