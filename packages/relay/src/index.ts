// The relay, in the order in which a request meets its parts:
//   tls/         certificates: from files or by ACME, chosen by host name, replaced while connections go on
//   http/        visitors: server, host, exchange (request and response), upgrade, the relay's own answers;
//                visitor.ts is what these need of a request, http1.ts and http2.ts give it to them
//   limits/      every limit with its default, and who counts what
//   registry.ts  which tunnel holds a name; tunnel.ts: a name with its session; tunnels.ts: all of them
//   registration/  how a client gets a name: auth/ decides, name.ts knows what a name is
//   relay.ts     puts them together; options.ts: everything that can be set; check.ts: how it is looked at
//   admin/       the operator's listener: health, metrics/ and status.ts
//   config/      files in YAML whose mistakes are told with their lines
//   cli/         the `mcp-tunnel` command
export type { AuthenticationResult, Authenticator, Credentials } from "./auth/authenticator.js";
export { openAuthenticator } from "./auth/open.js";
export { providerAuthenticator } from "./auth/provider.js";
export type { ProviderOptions } from "./auth/provider.js";
export { parseStaticToken, staticAuthenticator } from "./auth/static.js";
export type { StaticToken } from "./auth/static.js";
export { accessLog, combinedLog, jsonLog } from "./http/access-log.js";
export type { CookieDomain } from "./http/set-cookie.js";
export { resolveLimits } from "./limits/limits.js";
export type { LimitName, LimitOptions, Limits } from "./limits/limits.js";
export type { Logger } from "./log.js";
export { defaultReservedNames } from "./name.js";
export type { ExchangeOutcome, ExchangeRecord, RelayObserver, TunnelEvent } from "./observer.js";
export type { RelayOptions } from "./options.js";
export { createRelay } from "./relay.js";
export type { Relay } from "./relay.js";
export type { StaleKind, StaleSource } from "./staleness.js";
export type { AcmeOptions } from "./tls/acme/options.js";
export type { CertificateFiles } from "./tls/certificate.js";
export type { TlsOptions } from "./tls/tls.js";
