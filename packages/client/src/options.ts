import { randomBytes } from "node:crypto";
import {
  callback,
  checkLiveness,
  checkOptions,
  flag,
  maxNameLength,
  maxTimerMs,
  maxTokenLength,
  milliseconds,
  oneOf,
  registrationPath,
  text,
  textOrUrl,
  unusable,
  wholeNumber,
} from "mcp-tunnel-protocol";
import type { LivenessOptions } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";
import { greatestHeadBytes, leastHeadBytes } from "./service/http/response-normaliser.js";
import {
  defaultForwardedHeaders,
  defaultOauthMetadata,
  defaultOrigin,
  forwardedHeaders,
  oauthMetadataPolicies,
  originPolicies,
} from "./service/http/policies.js";
import type {
  ForwardedHeaders,
  ForwardingOptions,
  HostHeader,
  OauthMetadata,
  OriginPolicy,
} from "./service/http/policies.js";
import { parseTarget, targetOfPort, withoutPassword } from "./service/http/target.js";
import type { Target } from "./service/http/target.js";

/** Asked for a name when the relay offers patterns to pick from; each has at most one `*`. */
export type PickSubdomain = (patterns: readonly string[]) => string | Promise<string>;

export interface TunnelClientOptions {
  /**
   * The local service's port on this machine, 1-65535. Either this or `target`.
   * @example startTunnelClient({ port: 3000, relayUrl: "https://tunnel.example.com" })
   */
  port?: number;
  /** The local service as an origin, such as `http://localhost:3000` or `https://box.lan`. Either this or `port`. */
  target?: string | URL;
  /**
   * The relay: `https://`, `http://`, `wss://` or `ws://`, or no scheme for `wss://`. A trailing slash is
   * dropped.
   */
  relayUrl: string;
  /**
   * An HTTP proxy through which the relay is reached (CONNECT, RFC 9110 section 9.3.6): `http://` or `https://`, with user and
   * password if it asks for them. Default: none; the command, and only it, looks for one in the environment.
   */
  proxyUrl?: string | URL;
  /**
   * What the relay knows this client by. Default: drawn at random, which an open relay takes; the name
   * derived from it is then another one with each start.
   */
  token?: string;
  /** The name to ask for. Default: the relay decides, or offers patterns to pick from. */
  subdomain?: string;
  /** Chooses from the relay's offer. Default: the only pattern if it has no `*`, an error otherwise. */
  pick?: PickSubdomain;
  /**
   * `"rewrite"` (default): the local service sees its own name and port as Host, which guards against DNS
   * rebinding expect; what it says of itself is put in the visitor's words. `"preserve"`: the public name.
   * Any other value is sent as it is.
   */
  hostHeader?: string;
  /**
   * What is done about `Origin`, and about a `Referer` of the tunnel's own public origin. `"rewrite"`
   * (default): the tunnel's own public origin becomes the local service's own, where it sees its own Host;
   * those of other web sites stay, so that the service can refuse them. `"keep"`: nothing. `"drop"`: `Origin`
   * is removed, whatever it says, which removes that defence.
   */
  origin?: OriginPolicy;
  /** The same as `origin: "drop"`. Default false. */
  dropOrigin?: boolean;
  /**
   * Which of the relay's `X-Forwarded-For`, `-Host` and `-Proto` reach the local service: `"all"`, `"none"`,
   * or some, as in `"for,proto"`. Without all of them no other `X-Forwarded-*` and no `Forwarded` passes
   * either. Default: `"for"`, or `"all"` with `hostHeader: "preserve"`. Services that are made for a proxy in
   * front of them may want all, and those that redirect to https `proto`.
   */
  forwardedHeaders?: string;
  /**
   * `"rewrite"` (default): the OAuth and OpenID Connect metadata that the local service has at their
   * well-known paths (JSON, up to 256 KiB) name the public origin, where they name its own by the Host that
   * it sees. `"keep"`: they stay as they are.
   */
  oauthMetadata?: OauthMetadata;
  /**
   * Whether the first connection is tried again like a lost one. Default false: `startTunnelClient` rejects
   * when the relay cannot be reached.
   */
  waitForRelay?: boolean;
  /** How long to try to come back after a loss, in milliseconds. Default Infinity: never give up. */
  maxReconnectTimeMs?: number;
  /** How long `close()` lets open requests finish, in milliseconds. Default 30,000. */
  shutdownGraceMs?: number;
  /** Requests and upgraded connections open at the same time; more are refused with 503. Default 1,024. */
  maxStreams?: number;
  /** How long the local service may take to accept a connection, in milliseconds. Default 5,000. */
  connectTimeoutMs?: number;
  /** The longest head of a response of the local service, in bytes, up to 262,144. Default 65,536; a longer one gets 502. */
  maxResponseHeadBytes?: number;
  /** How long the relay may take to open the WebSocket, and again to answer the registration. Default 10,000. */
  registerTimeoutMs?: number;
  /** When the connection to the relay counts as dead. Default: a ping after 15 s of silence, 10 s to answer. */
  liveness?: LivenessOptions;
  /** Called each time the tunnel is registered; the URL is the public one. */
  onConnected?: (url: string) => void;
  /** Called each time the connection to the relay is lost. */
  onDisconnected?: () => void;
  /** Called when another client has taken the name; the client then stays closed. */
  onEvicted?: () => void;
}

/** {@link TunnelClientOptions}, checked and complete. */
export interface ResolvedOptions extends ForwardingOptions {
  /** The address of the relay's registration endpoint. */
  readonly registerUrl: string;
  /** The proxy on the way to it. */
  readonly proxyUrl: URL | undefined;
  readonly token: string;
  readonly subdomain: string | undefined;
  readonly pick: PickSubdomain | undefined;
  readonly waitForRelay: boolean;
  readonly maxReconnectTimeMs: number;
  readonly shutdownGraceMs: number;
  readonly registerTimeoutMs: number;
  readonly liveness: LivenessOptions;
}

/** What each option may be. What text has to say is looked at where it is read. */
const shapes = {
  port: wholeNumber(1, 65_535).optional(),
  target: textOrUrl.optional(),
  relayUrl: text("the URL of a relay, such as https://tunnel.example.com"),
  proxyUrl: textOrUrl.optional(),
  token: text().optional(),
  subdomain: text().optional(),
  pick: callback.optional(),
  hostHeader: text().optional(),
  origin: oneOf(originPolicies).optional(),
  dropOrigin: flag.optional(),
  forwardedHeaders: text().optional(),
  oauthMetadata: oneOf(oauthMetadataPolicies).optional(),
  waitForRelay: flag.optional(),
  maxReconnectTimeMs: milliseconds(0).optional(),
  shutdownGraceMs: milliseconds(0).optional(),
  maxStreams: wholeNumber(1).optional(),
  connectTimeoutMs: wholeNumber(1).optional(),
  maxResponseHeadBytes: wholeNumber(leastHeadBytes, greatestHeadBytes).optional(),
  registerTimeoutMs: wholeNumber(1).optional(),
  onConnected: callback.optional(),
  onDisconnected: callback.optional(),
  onEvicted: callback.optional(),
} satisfies Record<Exclude<keyof TunnelClientOptions, "liveness">, unknown>;

/** @throws TunnelError `invalid_option`, with a message that names the option, what it was given and what it takes. */
export function resolveOptions(options: TunnelClientOptions): ResolvedOptions {
  checkOptions(options, shapes, { known: [...Object.keys(shapes), "liveness"] });
  if (options.liveness !== undefined) checkLiveness(options.liveness);
  return {
    target: resolveTarget(options),
    registerUrl: registerUrl(options.relayUrl),
    proxyUrl: resolveProxy(options.proxyUrl),
    token: resolveToken(options.token),
    subdomain: options.subdomain === undefined ? undefined : checkSubdomain(options.subdomain),
    pick: options.pick,
    hostHeader: parseHostHeader(options.hostHeader ?? "rewrite"),
    origin: resolveOrigin(options.origin, options.dropOrigin ?? false),
    forwardedHeaders: resolveForwardedHeaders(options.forwardedHeaders, options.hostHeader),
    oauthMetadata: options.oauthMetadata ?? defaultOauthMetadata,
    waitForRelay: options.waitForRelay ?? false,
    maxReconnectTimeMs: options.maxReconnectTimeMs ?? Infinity,
    shutdownGraceMs: Math.min(options.shutdownGraceMs ?? 30_000, maxTimerMs),
    maxStreams: options.maxStreams ?? 1_024,
    connectTimeoutMs: Math.min(options.connectTimeoutMs ?? 5_000, maxTimerMs),
    maxResponseHeadBytes: options.maxResponseHeadBytes ?? 65_536,
    registerTimeoutMs: Math.min(options.registerTimeoutMs ?? 10_000, maxTimerMs),
    liveness: options.liveness ?? {},
  };
}

/**
 * The registration endpoint of a relay given the way users write it: a path in front of it stays, so that a relay may sit
 * below a prefix of a reverse proxy.
 */
export function registerUrl(relayUrl: string): string {
  const given = relayUrl.trim();
  if (given === "") throw unusable("the relay URL is empty", { options: ["relayUrl"] });
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given)?.[1]?.toLowerCase();
  const secure = { https: "wss", wss: "wss", http: "ws", ws: "ws" }[scheme ?? "wss"];
  if (secure === undefined) {
    throw unusable(`the relay URL '${given}' has the scheme '${scheme}': use https, http, wss or ws`, {
      options: ["relayUrl"],
    });
  }
  const rest = scheme === undefined ? given : given.slice(scheme.length + 3);
  if (!URL.canParse(`${secure}://${rest}`))
    throw unusable(`the relay URL '${given}' is not a URL`, { options: ["relayUrl"] });
  const url = new URL(`${secure}://${rest}`);
  if (url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "") {
    throw unusable(
      `the relay URL '${withoutPassword(given)}' may hold a scheme, a host, a port and a path, and nothing else`,
      { options: ["relayUrl"] },
    );
  }
  return `${secure}://${url.host}${withoutTrailing(url.pathname, "/")}${registrationPath}`;
}

function resolveProxy(given: string | URL | undefined): URL | undefined {
  if (given === undefined) return undefined;
  const url = URL.canParse(String(given)) ? new URL(given) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    const shown = withoutPassword(String(given));
    throw unusable(`the proxy '${shown}' is not the URL of an HTTP proxy, such as http://proxy.lan:3128`, {
      options: ["proxyUrl"],
    });
  }
  if (/%(?![0-9a-f]{2})/i.test(url.username + url.password)) {
    throw unusable("the user or the password of the proxy has a % that begins no escape: write %25 for it", {
      options: ["proxyUrl"],
    });
  }
  return url;
}

function resolveTarget(options: TunnelClientOptions): Target {
  if ((options.port === undefined) === (options.target === undefined)) {
    throw unusable("give the local service either as 'port' or as 'target'", { options: ["port", "target"] });
  }
  if (options.port !== undefined) return targetOfPort(options.port);
  return parseTarget(String(options.target));
}

function resolveToken(token: string | undefined): string {
  if (token === undefined) return randomBytes(18).toString("base64url");
  if (token === "") throw unusable("the token is empty: leave it out or give one", { options: ["token"] });
  if (token.length > maxTokenLength) {
    throw unusable(`the token is longer than ${maxTokenLength.toLocaleString("en")} characters`, {
      options: ["token"],
    });
  }
  return token;
}

/** @throws TunnelError `invalid_option`. */
export function checkSubdomain(subdomain: string): string {
  if (subdomain === "") {
    throw unusable("the subdomain is empty: leave it out to let the relay choose", {
      options: ["subdomain"],
    });
  }
  // The relay knows what it allows. This only keeps out what no host name can begin with.
  if (subdomain.length > maxNameLength || !/^[\w-]+$/.test(subdomain)) {
    throw unusable(
      `the subdomain '${subdomain}' is not a name: up to ${maxNameLength} letters, digits and inner hyphens`,
      { options: ["subdomain"] },
    );
  }
  return subdomain;
}

/** What a Host field may hold (RFC 9110 section 7.2); the colon and brackets are for a port and IPv6. */
const hostValue = /^[\w.~!$&'()*+,;=%:[\]-]+$/;

/** @throws TunnelError `invalid_option`. */
export function parseHostHeader(value: string): HostHeader {
  if (value === "rewrite" || value === "preserve") return value;
  // A name spelled like one of the two words is meant to be it.
  if (!hostValue.test(value) || /^(?:rewrite|preserve)$/i.test(value)) {
    throw unusable(`the host header '${value}' is neither 'rewrite' nor 'preserve' nor a host name`, {
      options: ["hostHeader"],
    });
  }
  return { value };
}

function resolveOrigin(policy: OriginPolicy | undefined, isDropped: boolean): OriginPolicy {
  if (policy === undefined) return isDropped ? "drop" : defaultOrigin;
  if (isDropped && policy !== "drop") {
    throw unusable(`the origin cannot be '${policy}' and be dropped: give either 'origin' or 'drop-origin'`, {
      options: ["origin", "dropOrigin"],
    });
  }
  return policy;
}

function resolveForwardedHeaders(
  given: string | undefined,
  hostHeader: string | undefined,
): ForwardedHeaders {
  const { publicName, ownName } = defaultForwardedHeaders;
  return parseForwardedHeaders(given ?? (hostHeader === "preserve" ? publicName : ownName));
}

/** @throws TunnelError `invalid_option`. */
export function parseForwardedHeaders(value: string): ForwardedHeaders {
  if (value === "all") return value;
  if (value === "none") return [];
  return value.split(",").map((part) => {
    const header = forwardedHeaders.find((one) => one === part.trim().toLowerCase());
    if (header !== undefined) return header;
    throw unusable(
      "the forwarded headers are 'all', 'none' or some of 'for', 'host' and 'proto', as in 'for,proto', " +
        `not '${value}'`,
      { options: ["forwardedHeaders"] },
    );
  });
}
