// The client, room by room, from the lowest: a room knows those above it in this list, and none below it.
//   version, aside, state, refusals   the life of a client, one union of states; what the relay refuses, in words
//   net/         names of this machine, and what TLS fails by
//   service/     what answers visitors. service.ts says what that is; exchanges.ts and exchange.ts stand around
//                any of it: they check, count, bound, report, and tell an observer (observer.ts)
//     http/      the forwarder. forwarder.ts accepts, request.ts sends on (raw-request.ts and upgrade.ts what is
//                not ordinary), connections.ts and target.ts keep it pointed at one place, headers.ts and
//                agreement/ have each side hear of the service what it calls it itself, answer.ts sends what
//                comes back
//     handler/   what is in this program. in-process.ts has the forwarder speak to a server that does not
//                listen, fetch.ts asks a handler in the web's form
//   options, service-options   what the user gives, checked once and completed; create-service.ts: the service
//                that comes of it; option-values.ts: what a command shows of it
//   connect/     one attempt after another to register (attempts.ts, backoff.ts, wake.ts, connect.ts), and
//                tunnel.ts: the session that comes of it, on either wire, and how to go on with it
//   events, client   drives it: registers, comes back after a loss, closes, tells
export { startTunnelClient, TunnelClient } from "./client.js";
export type { ConnectedTunnelClient } from "./client.js";
export { pickOnly } from "./connect/connect.js";
export { createService } from "./create-service.js";
export type { ClientEvents } from "./events.js";
export type { PickSubdomain, TunnelClientOptions } from "./options.js";
export type { RefusedEvent } from "./refusals.js";
export type { FetchHandler } from "./service/handler/fetch.js";
export type { ExchangeObserver, ExchangeStart, ObserveExchange, RequestEvent } from "./service/observer.js";
export type { ClientWarning, ServedTunnel, Service } from "./service/service.js";
export type { ServiceOptions } from "./service-options.js";
export type { ClientStateName } from "./state.js";
export { TunnelError } from "mcp-tunnel-protocol";
export type {
  AcceptedStream,
  LivenessOptions,
  RawHeaders,
  RefusalCode,
  RefusalLimit,
  RequestHead,
  ResetCode,
  ResponseHead,
  StreamHandler,
  StreamReset,
  TunnelErrorCode,
  Wire,
} from "mcp-tunnel-protocol";
