// The relay, room by room, from the lowest: a room knows only rooms above it in this list.
// (scripts/lint/layers.mjs has the exact layers.)
//   check, version   the check of a value that a program gave; the package's version
//   client-package   the client's command, which the relay hands out
//   files/         files that could not be read again
//   net/           addresses and ranges of them, listening, connections that end in order
//   limits         every limit with its default
//   forwarded/     the address of a visitor or client, as far as a proxy's word about it is believed
//   telemetry/     the log, the access log, observers, and reports to them
//   admission/     the limits of one address, and of all together
//   auth/          who may have which names
//   tls/           certificates: from files or by ACME, chosen by host name, replaced while connections go on
//   tunnels/       who serves a name (the directory and pools of one relay), a name with its session,
//                  requests that wait for a client
//   registration/  how a client gets a name
//   cluster/       the relay as one of several: what it is asked by others, and what it asks them
//   http/          visitors. message.ts: a request and its response over either HTTP; then, from the lowest:
//                  wire/ (HTTP/1.1, HTTP/2), answer/ (the relay's own answers), exchange/ (a request on its
//                  way through a tunnel), route/ (its destination, and the judges), server/ (connections)
//   options, relay   everything that can be set; relay.ts puts the parts together
//   admin/         the operator's listener: health, metrics, status. Programs get them by the entries /admin
//                  and /metrics
//   cli/           the `mcp-tunnel` command
export type {
  AuthenticationResult,
  Authenticator,
  Credentials,
  RevokedListener,
  TokenGrant,
} from "./auth/authenticator.js";
export { tokenFileAuthenticator } from "./auth/from-file.js";
export type { TokenFileOptions } from "./auth/from-file.js";
export { openAuthenticator } from "./auth/open.js";
export { providerAuthenticator } from "./auth/provider.js";
export type { ProviderOptions } from "./auth/provider.js";
export { parseStaticToken, staticAuthenticator } from "./auth/static.js";
export type { StaticToken } from "./auth/static.js";
export { accessLog, combinedLog, jsonLog } from "./telemetry/access-log.js";
export type { InterimToProxies } from "./http/wire/interim.js";
export type { CookieDomain } from "./http/exchange/set-cookie.js";
export type { Operator } from "./http/answer/operator.js";
export type { Refusal } from "./http/answer/refusal.js";
export type { Judge, Judgment, Visit } from "./http/route/judge.js";
export type { RequestChanges } from "./http/route/request-changes.js";
export { resolveLimits } from "./limits.js";
export type { LimitName, LimitOptions, Limits } from "./limits.js";
export type { Logger } from "./telemetry/log.js";
export { MemoryDirectory } from "./tunnels/directory.js";
export type {
  Answers,
  Choice,
  Claimant,
  ClaimantInfo,
  ClaimResult,
  ClaimTerms,
  ClientIdentity,
  Directory,
  Member,
  MemberHost,
  MemberRelay,
  MemberStatus,
  Pool,
  PoolMember,
  PoolSessions,
  Question,
  ReturnAnswer,
  ReturningClient,
  Route,
  RouteHandler,
  SharedStore,
  SharedText,
  SplicedClient,
  Verdict,
} from "mcp-tunnel-cluster/relay";
export { defaultReservedNames } from "./tunnels/name.js";
export type { TunnelStateName, TunnelStatus } from "./tunnels/status.js";
export type {
  ExchangeCode,
  ExchangeOutcome,
  ExchangeRecord,
  LimitEvent,
  RelayObserver,
  Traffic,
  TunnelEvent,
  TunnelEventType,
} from "./telemetry/observer.js";
export { builtClientPackage } from "./client-package.js";
export type { ClientPackage } from "./client-package.js";
export type { RelayOptions } from "./options.js";
export { createRelay } from "./relay.js";
export type { ListenOptions, Relay } from "./relay.js";
export type { ClusterAnswer, ClusterTunnelStatus, RelayCluster } from "./cluster/view.js";
export type { StaleKind, StaleSource } from "./files/staleness.js";
export type { AcmeOptions } from "./tls/acme/options.js";
export type { CertificateFiles } from "./tls/certificate.js";
export type { CertificateStatus } from "./tls/certificate-status.js";
export type { TlsOptions } from "./tls/tls.js";
export { closeCodes, TunnelError } from "mcp-tunnel-protocol";
export type {
  Carries,
  Link,
  LinkHandler,
  LivenessOptions,
  RawHeaders,
  // A route is told of refusals. The word of this package is for the answers of judges.
  Refusal as RefusalReport,
  RefusalCode,
  RefusalLimit,
  RequestHead,
  ResetCode,
  ResponseHead,
  StreamHandler,
  StreamReset,
  TunnelErrorCode,
  TunnelErrorDetails,
  TunnelStream,
  Wire,
} from "mcp-tunnel-protocol";
