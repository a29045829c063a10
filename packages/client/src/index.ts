// The parts, in the order in which a request meets them:
//   options.ts   what the user gives, checked once and completed
//   state.ts     the life of a client: one union of states, one transition function
//   client.ts    drives it: registers, comes back after a loss (backoff.ts, wake.ts), closes
//   attempts.ts  one attempt after another; connect.ts: one attempt to register with the relay
//                (tls-errors.ts: what its TLS fails by, and that of the local service)
//   tunnel.ts    the session that comes of it, on either wire, and how to go on with it
//   forward/     a stream of that session to the local service and back:
//                forwarder.ts accepts, request.ts sends it on (raw-request.ts and upgrade.ts what is not
//                ordinary), headers.ts and target.ts keep it pointed at one place, agreement/ has each side
//                hear of the service what it calls it itself, exchange.ts reports it
//   refusals.ts  what the relay refuses in the tunnel's name, in words
//   cli/         the command
export { startTunnelClient, TunnelClient } from "./client.js";
export type { ConnectedTunnelClient } from "./client.js";
export type { ClientEvents } from "./events.js";
export type { RequestEvent } from "./forward/exchange.js";
export type { PickSubdomain, TunnelClientOptions } from "./options.js";
export type { RefusedEvent } from "./refusals.js";
export type { ClientStateName } from "./state.js";
export { TunnelError } from "mcp-tunnel-protocol";
export type { LivenessOptions, RefusalCode, RefusalLimit, TunnelErrorCode, Wire } from "mcp-tunnel-protocol";
