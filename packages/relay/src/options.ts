import type { Directory, Member } from "mcp-tunnel-cluster/relay";
import {
  callback,
  checkLiveness,
  checkOptions,
  flag,
  isName,
  listOf,
  type LivenessOptions,
  mapOf,
  objectWith,
  oneOf,
  text,
  unusable,
} from "mcp-tunnel-protocol";
import type { Authenticator } from "./auth/authenticator.js";
import { openAuthenticator } from "./auth/open.js";
import { fileNumber, portNumber, texts } from "./check.js";
import { type ClientPackage, clientPackageShape } from "./client-package.js";
import { accessLog } from "./telemetry/access-log.js";
import { trustedProxies, type TrustedProxies } from "./forwarded/forwarded.js";
import type { AddressRanges } from "mcp-tunnel-shared";
import { addressRanges } from "./net/addresses.js";
import { type Operator, operatorShape } from "./http/answer/operator.js";
import type { Judge } from "./http/route/judge.js";
import { type InterimToProxies, interimToProxies } from "./http/wire/interim.js";
import { defaultProxyHeaders, type ProxyHeaders, proxyHeaders } from "./forwarded/proxy-headers.js";
import { type CookieDomain, cookieDomains } from "./http/exchange/set-cookie.js";
import { limitDefinitions, type LimitOptions, type Limits, resolveLimits } from "./limits.js";
import { type Logger, loggerShape, silentLogger } from "./telemetry/log.js";
import { checkTemplate, defaultPublicUrl } from "./tunnels/public-url.js";
import { type TlsOptions, tlsShape } from "./tls/tls.js";
import { MemoryDirectory } from "./tunnels/directory.js";
import { defaultReservedNames, normalizeDomain } from "./tunnels/name.js";
import type { RelayObserver } from "./telemetry/observer.js";

/** The options of a relay. Only `domain` has no default. */
export interface RelayOptions extends LimitOptions {
  /** Base domain: the tunnel `myapp` is at `myapp.<domain>`. */
  domain: string;
  /** TCP port; 0 takes any free one. Default 8080. */
  port?: number;
  /** Address to bind. Default: all, IPv4 and IPv6. */
  host?: string;
  /**
   * Number of an open file that is a listening socket, to use instead of `host` and `port`: see
   * docs/restarts.md.
   */
  fd?: number;
  /**
   * How a tunnel's public URL is written for its client. `{subdomain}`, `{domain}` and `{port}` are filled
   * in. Default `https://{subdomain}.{domain}`. For `localhost`, and domains below it, without `tls` and
   * `trustedProxies` the default is `http://{subdomain}.{domain}:{port}`.
   */
  publicUrl?: string;
  /**
   * Ports on loopback (127.0.0.1 and, where there is one, ::1) that lead each to the tunnel of one name, over
   * plain HTTP; 0 takes any free one, see {@link Relay.localPorts}. A program that does not resolve names
   * below `localhost`, as most programs on Node.js, reaches the tunnel at `http://localhost:PORT`. The `Host`
   * of a request has to be `localhost` or a loopback address. If the public URL of such a tunnel is below
   * `localhost`, its client is told the URL of the local port instead. Default none.
   */
  localPorts?: Readonly<Record<string, number>>;
  /** Decides who may register which names. Default: everybody may register any name. */
  authenticator?: Authenticator;
  /**
   * Knows who serves which name. Default: a new {@link MemoryDirectory}, which knows the tunnels of this
   * relay. Relays of one process may share a directory. Each of them then serves the tunnels of all. If a
   * directory answers later, a request waits for the answer as for a client that is away, within
   * `holdTimeoutMs` and `maxHeldBytes`.
   */
  directory?: Directory;
  /**
   * The relay's place among several that serve their tunnels together. It brings its own directory, so it
   * excludes {@link directory}. The relay takes the place when it starts to listen and gives it up at its
   * end. A member is for one relay. `maxTunnelsPerToken` holds over all relays of the cluster; all other
   * limits hold for each relay. Default: the relay is alone.
   */
  member?: Member;
  /** Names that need a token which spells them out. Default {@link defaultReservedNames}. */
  reservedNames?: readonly string[];
  /**
   * Refuses clients that do not declare a gate which asks each visitor for a proof: `bearer`, `basic` or
   * `oauth`. A gate that looks at addresses alone is not enough, and clients of the original declare none. A
   * relay cannot check what a client declares. So this guards against the mistakes of people who may
   * register, and not against their intent. Default false.
   */
  requireVisitorAuth?: boolean;
  /** Addresses and CIDR ranges of proxies whose {@link trustedProxyHeaders} are believed. Default none. */
  trustedProxies?: readonly string[];
  /**
   * The fields about visitors that these proxies set themselves. A field that a proxy only passes on is the
   * visitor's own word. All other fields of this kind (`X-Forwarded-*`, `Forwarded`, `X-Real-IP`,
   * `CF-Connecting-IP` and so on) are dropped from every sender and in any spelling. Default
   * `X-Forwarded-For` and `X-Forwarded-Proto`.
   */
  trustedProxyHeaders?: readonly string[];
  /**
   * What happens to interim responses (1xx, except 100 and 101) for visitors who come through a trusted
   * proxy. `drop` (default) sends none, because nginx before 1.29 loses the response behind an interim one.
   * `pass` sends them as to all other visitors.
   */
  interimToProxies?: InterimToProxies;
  /**
   * Addresses and CIDR ranges that no limit per address applies to. Default loopback: its peers are on this
   * machine already, and a proxy there that was not declared as trusted would otherwise pass for a single
   * visitor.
   */
  limitExempt?: readonly string[];
  /**
   * What happens to a cookie whose `Domain` covers more than its own tunnel. `narrow` (default) takes the
   * attribute away, so that the cookie stays with its tunnel. It also keeps `Clear-Site-Data` from clearing
   * the cookies of all tunnels. `keep` lets tunnels share cookies.
   */
  cookieDomain?: CookieDomain;
  /**
   * Makes the relay speak HTTPS and HTTP/2 instead of HTTP. Default: it speaks HTTP, perhaps behind a proxy.
   */
  tls?: TlsOptions;
  /**
   * The client's command, which the relay hands out at its own domain, over https alone: `npx -y
   * https://<domain>/client-<version>-<hash>.tgz` runs it. {@link builtClientPackage} gives the one that was
   * built with this relay. Clients are told of it, so that an older one can say how to get it. Default: none
   * is handed out.
   */
  clientPackage?: ClientPackage | undefined;
  /**
   * Who runs the relay: the relay's own pages show it, so that visitors know whom to ask. Default: they say
   * nothing of it.
   */
  operator?: Operator;
  /** When a client counts as gone. */
  liveness?: LivenessOptions;
  /** Default: nothing is logged. */
  logger?: Logger;
  /**
   * Functions that decide whether a request may pass to its tunnel, and with which fields. They are asked one
   * after the other, once the relay's own checks have let the request pass, and before it waits for a client.
   * The first that refuses gives the answer. A request to the domain itself does not come before them.
   * Requests that wait for a judge's later answer count toward `maxHeldBytes`. Beyond that, requests get 503.
   * Default none.
   * @example
   * // A visitor who has not logged in is sent to the login page.
   * createRelay({
   *   domain: "tunnel.example.com",
   *   judges: [
   *     async (visit) => {
   *       if (await isLoggedIn(visit.header("cookie"), visit.signal)) return undefined;
   *       const fields = ["Location", "https://login.example.com/"];
   *       return { status: 302, code: "login_required", text: "log in first", fields };
   *     },
   *   ],
   * });
   */
  judges?: readonly Judge[];
  /**
   * Observers of every exchange, of the tunnels' events and of limits, such as access logs and metrics.
   * Default `[accessLog(logger)]`, which writes a line to {@link logger} for each exchange. Given observers
   * take its place, and `[]` means none.
   */
  observers?: readonly RelayObserver[];
}

/** The options, complete and checked. */
export interface ResolvedRelayOptions
  extends Limits,
    Required<
      Omit<
        RelayOptions,
        | "clientPackage"
        | "fd"
        | "limitExempt"
        | "host"
        | "localPorts"
        | "member"
        | "reservedNames"
        | "tls"
        | "trustedProxies"
        | "trustedProxyHeaders"
      >
    > {
  host: string | undefined;
  fd: number | undefined;
  localPorts: ReadonlyMap<string, number>;
  member: Member | undefined;
  tls: TlsOptions | undefined;
  clientPackage: ClientPackage | undefined;
  reservedNames: ReadonlySet<string>;
  trustedProxies: TrustedProxies;
  trustedProxyHeaders: ProxyHeaders;
  limitExempt: AddressRanges;
}

const observerShape = objectWith<RelayObserver>(["onEnd"], ["onTunnelEvent", "onLimit"]);

/** The shape of each option. The content of a text is checked where it is read. */
const optionShapes = {
  domain: text("a host name such as tunnel.example.com"),
  port: portNumber.optional(),
  host: text().optional(),
  fd: fileNumber.optional(),
  publicUrl: text().optional(),
  localPorts: mapOf(portNumber, "an object of names and their ports").optional(),
  authenticator: objectWith<Authenticator>(["authenticate"], ["watchRevoked", "reload", "close"]).optional(),
  directory: objectWith<Directory>(["find", "claim", "release", "changed", "watch"]).optional(),
  member: objectWith<Member>([
    ...(["join", "returning", "remember", "ask", "status", "drain", "awaitOthers", "leave"] as const),
  ]).optional(),
  reservedNames: texts.optional(),
  requireVisitorAuth: flag.optional(),
  trustedProxies: texts.optional(),
  trustedProxyHeaders: texts.optional(),
  interimToProxies: oneOf(interimToProxies).optional(),
  limitExempt: texts.optional(),
  cookieDomain: oneOf(cookieDomains).optional(),
  tls: tlsShape.optional(),
  clientPackage: clientPackageShape.optional(),
  operator: operatorShape.optional(),
  logger: loggerShape.optional(),
  judges: listOf(callback(), "an array of functions").optional(),
  observers: listOf(observerShape, "an array of observers").optional(),
} satisfies Record<Exclude<keyof RelayOptions, keyof LimitOptions | "liveness">, unknown>;

const known = [...Object.keys(optionShapes), "liveness", ...Object.keys(limitDefinitions)];

/** @throws TunnelError `invalid_option`, with a message for the person who wrote the option. */
export function resolveOptions(options: RelayOptions): ResolvedRelayOptions {
  checkOptions(options, optionShapes, { known });
  if (options.liveness !== undefined) checkLiveness(options.liveness);
  if (options.member !== undefined) checkMember(options.member, options.directory);
  const logger = options.logger ?? silentLogger;
  const domain = normalizeDomain(options.domain);
  return {
    domain,
    port: options.port ?? 8080,
    host: options.host,
    fd: options.fd,
    publicUrl: checkTemplate(options.publicUrl ?? defaultPublicUrl({ ...options, domain })),
    localPorts: checkLocalPorts(options.localPorts ?? {}),
    authenticator: options.authenticator ?? openAuthenticator,
    directory: options.member?.directory ?? options.directory ?? new MemoryDirectory(),
    member: options.member,
    reservedNames: new Set((options.reservedNames ?? defaultReservedNames).map(checkReserved)),
    requireVisitorAuth: options.requireVisitorAuth ?? false,
    trustedProxies: trustedProxies(options.trustedProxies ?? []),
    trustedProxyHeaders: proxyHeaders(options.trustedProxyHeaders ?? defaultProxyHeaders),
    interimToProxies: options.interimToProxies ?? "drop",
    ...resolveLimits(options),
    limitExempt: addressRanges(options.limitExempt ?? loopback, "exempt address", "limitExempt"),
    cookieDomain: options.cookieDomain ?? "narrow",
    tls: options.tls,
    clientPackage: options.clientPackage,
    operator: options.operator ?? {},
    liveness: options.liveness ?? {},
    logger,
    judges: options.judges ?? [],
    observers: options.observers ?? [accessLog(logger)],
  };
}

/** @throws TunnelError `invalid_option`. */
function checkMember({ node }: Member, directory: Directory | undefined): void {
  if (directory !== undefined) {
    throw unusable("directory and member exclude each other: a member brings its own directory", {
      options: ["directory", "member"],
    });
  }
  // The ids of sessions begin with it, and they have up to 128 characters.
  if (typeof node === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(node)) return;
  throw unusable("the node of a member has 1 to 64 letters, digits, hyphens and underscores", {
    options: ["member"],
  });
}

const loopback = ["127.0.0.0/8", "::1"];

/** @throws TunnelError `invalid_option` for a name that is none, and for a port that two names have. */
export function checkLocalPorts(given: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const [text, port] of Object.entries(given)) {
    const name = text.toLowerCase();
    if (!isName(name))
      throw unusable(`the local port's name '${text}' is not a DNS label`, { options: ["localPorts"] });
    const other = [...ports].find(([known, taken]) => known === name || (taken === port && port !== 0))?.[0];
    if (other === name) throw unusable(`'${name}' has two local ports`, { options: ["localPorts"] });
    if (other !== undefined) {
      throw unusable(`the local port ${port} cannot lead to both '${other}' and '${name}'`, {
        options: ["localPorts"],
      });
    }
    ports.set(name, port);
  }
  return ports;
}

/** @throws TunnelError `invalid_option`. */
export function checkReserved(name: string): string {
  const lower = name.toLowerCase();
  if (isName(lower)) return lower;
  throw unusable(`the reserved name '${name}' is not a DNS label`, { options: ["reservedNames"] });
}
