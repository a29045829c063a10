/**
 * The entry `/sessions`: the two wires. It is apart, because a command loads them only once it has a tunnel
 * to serve: they are half of the package's files.
 */
export { JsonClientSession } from "./json/client-session.js";
export type { JsonClientSessionOptions } from "./json/client-session.js";
export { JsonRelaySession } from "./json/relay-session.js";
export type { JsonRelaySessionOptions } from "./json/relay-session.js";
export { V1ClientSession } from "./v1/client-session.js";
export { V1RelaySession } from "./v1/relay-session.js";
export { defaultWindow } from "./v1/session.js";
export type { V1Options } from "./v1/session.js";
