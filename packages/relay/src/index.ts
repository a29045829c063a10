// The relay, room by room, from the lowest: a room knows those above it in this list, and none below it.
//   version, check, limits   shapes of options; every limit with its default
//   files/         regular files, read again when they change
//   net/           addresses and ranges of them, listening, connections that end in order
//   config/        files in YAML, with the lines of their mistakes
//   telemetry/     the log, the access log, observers, and the records that they get
//   forwarded/     the address of a visitor or client, as far as it is believed
//   auth/          which token may have which names
//   tunnels/       names with their sessions, the directory of who serves a name, requests that wait
//   admission/     what each address has open, counted for the limits
//   registration/  how a client gets a name
//   tls/           certificates: from files or by ACME, chosen by host name, replaced while connections go on
//   http/          visitors. message.ts: a request and its response, whichever HTTP; then, from the lowest:
//                  wire/ gives them over HTTP/1.1 and HTTP/2, answer/ makes the relay's own answers,
//                  exchange/ takes a request to its tunnel, route/ finds that tunnel or a reason to refuse,
//                  server/ accepts connections
//   options, relay   everything that can be set; relay.ts puts the parts together
//   admin/         the operator's listener: health, metrics, status
//   cli/           the `mcp-tunnel` command
export type {
  AuthenticationResult,
  Authenticator,
  Credentials,
  TokenGrant,
} from "./auth/authenticator.js";
export { openAuthenticator } from "./auth/open.js";
export { providerAuthenticator } from "./auth/provider.js";
export type { ProviderOptions } from "./auth/provider.js";
export { parseStaticToken, staticAuthenticator } from "./auth/static.js";
export type { StaticToken } from "./auth/static.js";
export { accessLog, combinedLog, jsonLog } from "./telemetry/access-log.js";
export type { CookieDomain } from "./http/exchange/set-cookie.js";
export type { Refusal } from "./http/answer/refusal.js";
export type { Judge, Visit } from "./http/route/judge.js";
export { resolveLimits } from "./limits.js";
export type { LimitName, LimitOptions, Limits } from "./limits.js";
export type { Logger } from "./telemetry/log.js";
export { MemoryDirectory } from "./tunnels/directory.js";
export type { Claimant, ClaimResult, ClientIdentity, Directory, Verdict } from "./tunnels/directory.js";
export { defaultReservedNames } from "./tunnels/name.js";
export type { Route, RouteHandler } from "./tunnels/route.js";
export type { TunnelStateName, TunnelStatus } from "./tunnels/status.js";
export type {
  ExchangeCode,
  ExchangeOutcome,
  ExchangeRecord,
  RelayObserver,
  Traffic,
  TunnelEvent,
} from "./telemetry/observer.js";
export type { RelayOptions } from "./options.js";
export { createRelay } from "./relay.js";
export type { Relay } from "./relay.js";
export type { StaleKind, StaleSource } from "./files/staleness.js";
export type { AcmeOptions } from "./tls/acme/options.js";
export type { CertificateFiles } from "./tls/certificate.js";
export type { TlsOptions } from "./tls/tls.js";
export { closeCodes, TunnelError } from "mcp-tunnel-protocol";
export type {
  Carries,
  LivenessOptions,
  RawHeaders,
  RefusalCode,
  RequestHead,
  ResetCode,
  ResponseHead,
  StreamHandler,
  StreamReset,
  TunnelErrorCode,
  TunnelStream,
  Wire,
} from "mcp-tunnel-protocol";
