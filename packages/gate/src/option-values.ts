/** Values of the options that a command needs before it loads the gate. */
export { gateKinds, keyShape } from "./options.js";
export type { GateKind } from "./options.js";
export { ownPaths, ownPrefix } from "./paths.js";
