import type { RequestListener, Server } from "node:http";
import {
  callback,
  firstProblem,
  flag,
  maxTimerMs,
  oneOf,
  registeredGate,
  someObject,
  text,
  textOrUrl,
  unusable,
  wholeNumber,
} from "mcp-tunnel-protocol";
import type { Shape } from "mcp-tunnel-protocol";
import { resolveServiceTls } from "./net/tls-options.js";
import type { ServiceTlsOptions } from "./net/tls-options.js";
import type { FetchHandler } from "./service/handler/fetch.js";
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
import type { Service } from "./service/service.js";
import { parseTarget, targetOfPort, targetWithin } from "./service/http/target.js";
import type { Target } from "./service/http/target.js";

/**
 * The service that answers the visitors: exactly one of `port`, `target`, `handler`, `fetch` and `server`.
 * The other options say how it is told of visitors.
 */
export interface ServiceOptions {
  /**
   * The port of a local HTTP service on this machine, 1-65535.
   * @example startTunnelClient({ port: 3000, relayUrl: "https://tunnel.example.com" })
   */
  port?: number;
  /** A local HTTP service as an origin, such as `http://localhost:3000` or `https://box.lan`. */
  target?: string | URL;
  /**
   * A request handler of this program, in Node's form: an Express application, for example. No port is opened
   * for it. If it throws or rejects, that is an uncaught exception, as in any server of node:http.
   * @example startTunnelClient({ handler: (req, res) => res.end("hello"), relayUrl: "tunnel.example.com" })
   */
  handler?: RequestListener;
  /**
   * A request handler of this program, in the web's form: the `fetch` of a Hono application, for example. The
   * Request's URL is the public one. Neither form of handler carries an upgrade. The web's form also has no
   * place for trailers, interim responses and the body of a GET or HEAD.
   * @example startTunnelClient({ fetch: () => new Response("hello"), relayUrl: "tunnel.example.com" })
   */
  fetch?: FetchHandler;
  /**
   * A server of `node:http` in this program. It need not listen: it gets requests, upgrades and other events
   * as from any connection. It stays the program's own, and is not closed with the client.
   */
  server?: Server;
  /**
   * The Host that the service sees. `"rewrite"` is the default with `port` and `target`, and possible only
   * with them. The service sees its own name and port, which guards against DNS rebinding expect. Where its
   * answers contain that name, visitors get the public one. `"preserve"` is the default with `handler`,
   * `fetch` and `server`: the public name, which is the only name that they have. Any other value is sent as
   * it is, and visitors get the public name in its place, too. An example is `"localhost"`, for a framework
   * whose guard knows no other name.
   */
  hostHeader?: string;
  /**
   * What the client does with `Origin`, and with a `Referer` of the tunnel's own public origin. `"rewrite"`
   * (default): the tunnel's own public origin becomes the local service's own, if the service sees its own
   * Host. Origins of other web sites stay, so that the service can refuse them. `"keep"`: both fields stay as
   * they are. `"drop"`: every `Origin` and such a `Referer` are removed, which removes that defence.
   */
  origin?: OriginPolicy;
  /** The same as `origin: "drop"`. Default false. */
  dropOrigin?: boolean;
  /**
   * Which of the relay's `X-Forwarded-For`, `-Host` and `-Proto` reach the local service: `"all"`, `"none"`,
   * or some, as in `"for,proto"`. Except with `"all"`, no other `X-Forwarded-*` and no `Forwarded` reaches it
   * either. Default: `"for"`, or `"all"` if the service sees the public name. A service that is made for a
   * proxy in front of it may want all of them. A service that redirects to https may want `proto`.
   */
  forwardedHeaders?: string;
  /**
   * What the client does with the OAuth and OpenID Connect metadata that the local service has at the
   * well-known paths (JSON, up to 256 KiB). `"rewrite"` (default): if they name the service's own origin, by
   * the Host that it sees, visitors get the public origin in its place. `"keep"`: they stay as they are.
   */
  oauthMetadata?: OauthMetadata;
  /**
   * TLS with the local service: a certificate that the client believes or shows. Only for a `target` with
   * `https`. Default: the authorities that Node knows, and a certificate for the target's name.
   * @example startTunnelClient({ target: "https://box.lan", serviceTls: { ca: readFileSync("box.pem") },
   * relayUrl })
   */
  serviceTls?: ServiceTlsOptions;
  /** How long the local service may take to accept a connection, in milliseconds. Default 5,000. */
  connectTimeoutMs?: number;
  /**
   * The longest head of a response of the local service, in bytes, up to 262,144. Default 65,536. If a head
   * is longer, the visitor gets 502.
   */
  maxResponseHeadBytes?: number;
}

/** {@link ServiceOptions}, checked and complete. */
export interface ResolvedService extends ForwardingOptions {
  readonly form: ServiceForm;
}

/**
 * The kind of service. With a form other than `target`, the target only stands for something in this program.
 */
export type ServiceForm =
  | { readonly name: "target" }
  | { readonly name: "handler"; readonly handler: RequestListener }
  | { readonly name: "fetch"; readonly fetch: FetchHandler }
  | { readonly name: "server"; readonly server: Server }
  | { readonly name: "service"; readonly service: Service };

/** The type of each option. The content of a text is checked where the text is read. */
export const serviceShapes: Record<keyof ServiceOptions, Shape<unknown>> = {
  port: wholeNumber(1, 65_535).optional(),
  target: textOrUrl.optional(),
  handler: callback().optional(),
  fetch: callback("a function that takes a Request, such as app.fetch").optional(),
  server: someObject("a Server of node:http; a function that takes requests is a handler").optional(),
  hostHeader: text().optional(),
  origin: oneOf(originPolicies).optional(),
  dropOrigin: flag.optional(),
  forwardedHeaders: text().optional(),
  oauthMetadata: oneOf(oauthMetadataPolicies).optional(),
  serviceTls: someObject("an object with ca, cert, key, servername or rejectUnauthorized").optional(),
  connectTimeoutMs: wholeNumber(1).optional(),
  maxResponseHeadBytes: wholeNumber(leastHeadBytes, greatestHeadBytes).optional(),
};

const serviceOptionNames = Object.keys(serviceShapes) as (keyof ServiceOptions)[];

/** The options that name a service. */
export const formNames = ["port", "target", "handler", "fetch", "server"] as const;

type FormOptions = ServiceOptions & { readonly service?: Service };

/**
 * The service of options whose types have been checked. Exactly one of the options `names` has to be given.
 * @throws TunnelError `invalid_option`.
 */
export function resolveService(options: FormOptions, names: readonly (keyof FormOptions)[]): ResolvedService {
  checkOneForm(options, names);
  const form = formOf(options);
  refuseUseless(options, form);
  const target = resolveTarget(options);
  const { serviceTls } = options;
  if (serviceTls !== undefined && !target.secure) {
    throw unusable(
      `serviceTls has no effect with ${target.name}, which has no TLS: give a target with https`,
      {
        options: ["serviceTls"],
      },
    );
  }
  const hostHeader = options.hostHeader ?? (form.name === "target" ? "rewrite" : "preserve");
  return {
    form,
    target,
    tls: serviceTls === undefined ? {} : resolveServiceTls(serviceTls),
    hostHeader: parseHostHeader(hostHeader),
    origin: resolveOrigin(options.origin, options.dropOrigin ?? false),
    forwardedHeaders: resolveForwardedHeaders(options.forwardedHeaders, hostHeader),
    oauthMetadata: options.oauthMetadata ?? defaultOauthMetadata,
    connectTimeoutMs: Math.min(options.connectTimeoutMs ?? 5_000, maxTimerMs),
    maxResponseHeadBytes: options.maxResponseHeadBytes ?? 65_536,
  };
}

function checkOneForm(options: FormOptions, names: readonly (keyof FormOptions)[]): void {
  const given = names.filter((name) => options[name] !== undefined);
  if (given.length === 0) {
    throw unusable(`nothing is given to serve: give either ${either(names)}`, { options: names });
  }
  if (given.length > 1) {
    throw unusable(`give either ${either(given)}: a client serves one of them`, { options: given });
  }
}

/** `'a', 'b' or 'c'` */
function either(names: readonly string[]): string {
  const quoted = names.map((name) => `'${name}'`);
  return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}

function formOf({ handler, fetch, server, service }: FormOptions): ServiceForm {
  if (handler !== undefined) return { name: "handler", handler };
  if (fetch !== undefined) return { name: "fetch", fetch };
  if (server !== undefined) return { name: "server", server };
  if (service === undefined) return { name: "target" };
  if (typeof service.open === "number") {
    checkGate(service);
    return { name: "service", service };
  }
  throw unusable("service has no 'open', the number of requests that it is at work on", {
    options: ["service"],
  });
}

/**
 * Checks what the service declares of its gate. A relay would take a malformed declaration for none.
 * @throws TunnelError `invalid_option`.
 */
function checkGate({ gate }: Service): void {
  const problem = gate === undefined ? undefined : firstProblem(registeredGate, gate, "service.gate");
  if (problem !== undefined) throw unusable(problem.message, { options: [problem.path] });
}

/** @throws TunnelError `invalid_option` for an option that would have no effect. */
function refuseUseless(options: FormOptions, form: ServiceForm): void {
  if (form.name === "target") return;
  if (form.name === "service") {
    const useless = serviceOptionNames.find((name) => options[name] !== undefined);
    if (useless === undefined) return;
    throw unusable(`${useless} has no effect with 'service': give it to createService`, {
      options: [useless],
    });
  }
  if (form.name === "fetch" && options.maxResponseHeadBytes !== undefined) {
    throw unusable("maxResponseHeadBytes has no effect with 'fetch', whose answers have no head in bytes", {
      options: ["maxResponseHeadBytes"],
    });
  }
  if (options.hostHeader === "rewrite") {
    throw unusable(
      `'${form.name}' has no name of its own: with it, hostHeader takes 'preserve' or a host name`,
      { options: ["hostHeader"] },
    );
  }
  if (options.connectTimeoutMs !== undefined) {
    throw unusable(`connectTimeoutMs has no effect with '${form.name}', to which no connection is made`, {
      options: ["connectTimeoutMs"],
    });
  }
}

function resolveTarget({ port, target, server }: ServiceOptions): Target {
  if (port !== undefined) return targetOfPort(port);
  if (target !== undefined) return parseTarget(String(target));
  return targetWithin(server === undefined ? "the request handler" : "the server");
}

/** The characters of a Host field (RFC 9110 section 7.2). The colon and brackets are for a port and IPv6. */
const hostValue = /^[\w.~!$&'()*+,;=%:[\]-]+$/;

/** @throws TunnelError `invalid_option`. */
export function parseHostHeader(value: string): HostHeader {
  if (value === "rewrite" || value === "preserve") return value;
  // A value that differs from one of the two words only in letter case is meant to be that word.
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

function resolveForwardedHeaders(given: string | undefined, hostHeader: string): ForwardedHeaders {
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
