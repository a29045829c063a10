import { type LivenessOptions, TunnelError } from "mcp-tunnel-protocol";
import type { Authenticator } from "./auth/authenticator.js";
import { openAuthenticator } from "./auth/open.js";
import { accessLog } from "./http/access-log.js";
import { trustedProxies, type TrustedProxies } from "./http/forwarded.js";
import { type Logger, silentLogger } from "./log.js";
import type { TlsOptions } from "./tls/tls.js";
import { defaultReservedNames, isName, normalizeDomain } from "./name.js";
import type { RelayObserver } from "./observer.js";

/** What a relay can be told. Only `domain` has no default. */
export interface RelayOptions {
  /** Base domain: the tunnel `myapp` is at `myapp.<domain>`. */
  domain: string;
  /** TCP port; 0 takes any free one. Default 8080. */
  port?: number;
  /** Address to bind. Default: all, IPv4 and IPv6. */
  host?: string;
  /** Number of an open file that is a listening socket, to use instead of `host` and `port`: see docs/restarts.md. */
  fd?: number;
  /**
   * How a tunnel's public URL is written for its client. `{subdomain}`, `{domain}` and `{port}` are filled in.
   * Default `https://{subdomain}.{domain}`.
   */
  publicUrl?: string;
  /** Who may register which names. Default: everybody any name. */
  authenticator?: Authenticator;
  /** Names that need a token which spells them out. Default {@link defaultReservedNames}. */
  reservedNames?: readonly string[];
  /** Addresses and CIDR ranges of proxies whose `X-Forwarded-*` fields are believed. Default none. */
  trustedProxies?: readonly string[];
  /** Longest request body. Default 5,242,880. */
  maxRequestBodyBytes?: number;
  /** Longest response body; event streams and upgraded connections are exempt. Default 10,485,760. */
  maxResponseBodyBytes?: number;
  /** Wait for a response head after the request's last byte. Default 600,000: MCP tool calls are long. */
  responseTimeoutMs?: number;
  /** How long a client may take from connecting to its registration message. Default 5,000. */
  registrationTimeoutMs?: number;
  /** How long a person at the client may take to pick one of the offered names. Default 120,000. */
  pickTimeoutMs?: number;
  /** How long the session of a lost connection is kept for its client. Default 60,000. */
  resumeTimeoutMs?: number;
  /** How long requests wait for a client that is reconnecting. Default 15,000. */
  holdTimeoutMs?: number;
  /** How many requests for one name wait at once. Default 256. */
  maxHeldRequests?: number;
  /**
   * What all requests that wait may hold, over all names; each counts 8,192 bytes and what its body may fill of the
   * buffers. Default 67,108,864.
   */
  maxHeldBytes?: number;
  /**
   * How long after the start a request for a name that nobody has registered waits for it: after a restart the clients need a moment
   * to come back. Default 2,000.
   */
  startupHoldMs?: number;
  /** Streams that one tunnel carries at once. Default 1,024. */
  maxStreamsPerTunnel?: number;
  /** Speak HTTPS and HTTP/2 instead of HTTP. Default: a proxy does that, or nobody. */
  tls?: TlsOptions;
  /** When a client counts as gone. */
  liveness?: LivenessOptions;
  /** Default: nothing is logged. */
  logger?: Logger;
  /** Writes every exchange down. Default: a line to `logger`. */
  accessLog?: RelayObserver;
  /** Told of every exchange and of what happens to tunnels; metrics are one of them. Default none. */
  observers?: readonly RelayObserver[];
}

/** The same, complete and checked. */
export interface ResolvedRelayOptions
  extends Required<Omit<RelayOptions, "fd" | "host" | "reservedNames" | "tls" | "trustedProxies">> {
  host: string | undefined;
  fd: number | undefined;
  tls: TlsOptions | undefined;
  reservedNames: ReadonlySet<string>;
  trustedProxies: TrustedProxies;
}

/** @throws TunnelError `invalid_option`, with a message for the person who wrote the option. */
export function resolveOptions(options: RelayOptions): ResolvedRelayOptions {
  const resolved: ResolvedRelayOptions = {
    domain: normalizeDomain(options.domain),
    port: options.port ?? 8080,
    host: options.host,
    fd: options.fd,
    publicUrl: checkTemplate(options.publicUrl ?? "https://{subdomain}.{domain}"),
    authenticator: options.authenticator ?? openAuthenticator,
    reservedNames: new Set((options.reservedNames ?? defaultReservedNames).map(checkReserved)),
    trustedProxies: trustedProxies(options.trustedProxies ?? []),
    maxRequestBodyBytes: options.maxRequestBodyBytes ?? 5_242_880,
    maxResponseBodyBytes: options.maxResponseBodyBytes ?? 10_485_760,
    responseTimeoutMs: options.responseTimeoutMs ?? 600_000,
    registrationTimeoutMs: options.registrationTimeoutMs ?? 5_000,
    pickTimeoutMs: options.pickTimeoutMs ?? 120_000,
    resumeTimeoutMs: options.resumeTimeoutMs ?? 60_000,
    holdTimeoutMs: options.holdTimeoutMs ?? 15_000,
    maxHeldRequests: options.maxHeldRequests ?? 256,
    maxHeldBytes: options.maxHeldBytes ?? 67_108_864,
    startupHoldMs: options.startupHoldMs ?? 2_000,
    maxStreamsPerTunnel: options.maxStreamsPerTunnel ?? 1_024,
    tls: options.tls,
    liveness: options.liveness ?? {},
    logger: options.logger ?? silentLogger,
    accessLog: options.accessLog ?? accessLog(options.logger ?? silentLogger),
    observers: options.observers ?? [],
  };
  checkRange(resolved, "port", 0, 65_535);
  checkRange(resolved, "maxRequestBodyBytes", 0, Number.MAX_SAFE_INTEGER);
  checkRange(resolved, "maxResponseBodyBytes", 0, Number.MAX_SAFE_INTEGER);
  for (const name of ["responseTimeoutMs", "registrationTimeoutMs", "pickTimeoutMs"] as const) {
    checkRange(resolved, name, 1, maxTimerMs);
  }
  for (const name of ["resumeTimeoutMs", "holdTimeoutMs", "startupHoldMs"] as const) {
    checkRange(resolved, name, 0, maxTimerMs);
  }
  checkRange(resolved, "maxHeldRequests", 0, 1_000_000);
  checkRange(resolved, "maxHeldBytes", 0, Number.MAX_SAFE_INTEGER);
  checkRange(resolved, "maxStreamsPerTunnel", 1, 1_000_000);
  return resolved;
}

/** The longest wait of a Node timer, about 24 days; a longer one would end at once. */
const maxTimerMs = 0x7fffffff;

type NumberOption = {
  [K in keyof ResolvedRelayOptions]: ResolvedRelayOptions[K] extends number ? K : never;
}[keyof ResolvedRelayOptions];

function checkRange(options: ResolvedRelayOptions, name: NumberOption, min: number, max: number): void {
  const value = options[name];
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new TunnelError(
    "invalid_option",
    `${name} is ${value}; it must be a whole number from ${min} to ${max}`,
  );
}

function checkReserved(name: string): string {
  const lower = name.toLowerCase();
  if (isName(lower)) return lower;
  throw new TunnelError("invalid_option", `the reserved name '${name}' is not a DNS label`);
}

/** The public URL of the tunnel `subdomain`. */
export function publicUrl(template: string, subdomain: string, domain: string, port: number): string {
  return template
    .replaceAll("{subdomain}", subdomain)
    .replaceAll("{domain}", domain)
    .replaceAll("{port}", String(port));
}

/**
 * The template without a slash at its end.
 * @throws TunnelError `invalid_option`.
 */
export function checkTemplate(template: string): string {
  const sample = publicUrl(template, "name", "domain.test", 8080);
  const url = URL.canParse(sample) ? new URL(sample) : undefined;
  if (!template.includes("{subdomain}") || (url?.protocol !== "http:" && url?.protocol !== "https:")) {
    throw new TunnelError(
      "invalid_option",
      `the public URL '${template}' is not an http(s) URL with {subdomain} in it, such as https://{subdomain}.{domain}`,
    );
  }
  const [unknown] = /\{.*?\}/.exec(sample) ?? [];
  if (unknown !== undefined) {
    throw new TunnelError(
      "invalid_option",
      `the public URL '${template}' has ${unknown} in it, but only {subdomain}, {domain} and {port} are known`,
    );
  }
  return template.replace(/\/+$/, "");
}
