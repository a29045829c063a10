// The client, room by room, from the lowest: a room knows the rooms above it in this list, and none below it.
//   version, aside, state, refusals, relay-client, relay-headers   the life of a client, as one union of
//                states; the relay's refusals in words; which client the relay hands out; fields for the
//                handshake with it
//   net/         names of this machine, options of TLS, and causes of its errors
//   service/     answers visitors. service.ts defines a service. exchanges.ts and exchange.ts stand around
//                every service: they check, count, limit and report, and tell an observer (observer.ts).
//                request-events.ts: what a program is told of a request
//     http/      the forwarder. forwarder.ts accepts requests. request.ts sends the ordinary ones on,
//                raw-request.ts and upgrade.ts the others. connections.ts and target.ts keep the forwarder
//                pointed at one place. headers.ts and agreement/ translate between the service's own name and
//                the public one. answer.ts sends the answer back
//     handler/   servers and handlers in this program. in-process.ts has the forwarder speak to a server that
//                does not listen, fetch.ts asks a handler in the web's form
//   relay-place, service-options, options   the user's options, checked once and completed; create-service.ts
//                makes the service of them; option-values.ts: the part that a command shows
//   connect/     attempts to register, one after another (attempts.ts, backoff.ts, wake.ts), each over a link
//                of its own (open-link.ts, connect.ts); tunnel.ts: the session that follows, on either wire,
//                and how to resume it; check.ts: what a registration would get
//   events, telling, event-log, client   the client itself: it registers, comes back after a loss, closes,
//                and tells of all that, by its events and by the logger
export { startTunnelClient, TunnelClient } from "./client.js";
export type { ConnectedTunnelClient } from "./client.js";
export { checkRegistration } from "./connect/check.js";
export type { CheckedRegistration, CheckOptions } from "./connect/check.js";
export { pickOnly } from "./connect/connect.js";
export { createService } from "./create-service.js";
export type { ClientEvents } from "./events.js";
export type { Pem, ServiceTlsOptions, TlsOptions } from "./net/tls-options.js";
export type { PickSubdomain, TunnelClientOptions, WaitForRelay } from "./options.js";
export type { RelayConnectionOptions } from "./relay-place.js";
export type { RefusedEvent } from "./refusals.js";
export type { RelayClient } from "./relay-client.js";
export type { FetchHandler } from "./service/handler/fetch.js";
export type { ExchangeObserver, ExchangeStart, ObserveExchange, RequestEvent } from "./service/observer.js";
export type { RequestEndEvent, RequestStartEvent } from "./service/request-events.js";
export type { ClientWarning, DeclaredGate, ServedTunnel, Service } from "./service/service.js";
export type { ServiceOptions } from "./service-options.js";
export type { ClientStateName } from "./state.js";
export { TunnelError } from "mcp-tunnel-protocol";
export type {
  AcceptedStream,
  LivenessOptions,
  Logger,
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
