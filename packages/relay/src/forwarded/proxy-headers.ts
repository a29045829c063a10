import { AnySpelling, FieldNames, type FieldSet, unusable } from "mcp-tunnel-protocol";

/**
 * What local services and their libraries take for the word of a proxy in front of them, about the visitor's address, the
 * scheme, the host or the path: what request-ip, django-ipware, Rack, Rails, WebOb, Werkzeug, WebLogic, Symfony and the
 * networks that deliver for others (Cloudflare, Fastly, Akamai, Azure, Fly.io) read or write. Rack::Sendfile maps paths
 * by X-Accel-Mapping and X-Sendfile-Type as by a proxy's word (CVE-2025-61780). `Proxy` becomes the
 * HTTP_PROXY of a CGI program ("httpoxy", CVE-2016-5385).
 */
const forwardedNames = [
  ...["forwarded", "forwarded-for", "x-forwarded", "x-original-forwarded-for"],
  ...["client-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "x-real-ip", "x-remote-ip"],
  ...["x-remote-addr", "x-originating-ip", "proxy-client-ip", "wl-proxy-client-ip", "wl-proxy-ssl"],
  ...["cf-connecting-ip", "cf-connecting-ipv6", "cf-pseudo-ipv4", "cf-visitor", "fastly-client-ip"],
  ...["fastly-ssl", "fly-client-ip", "x-azure-clientip", "x-appengine-user-ip", "x-envoy-external-address"],
  ...["front-end-https", "x-scheme", "x-url-scheme"],
  ...[
    "x-host",
    "x-http-host-override",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
  ],
  ...["x-script-name", "x-sendfile-type", "x-accel-mapping"],
  ...["ali-cdn-real-ip", "do-connecting-ip", "remote-addr", "x-nf-client-connection-ip", "x-proxyuser-ip"],
  "x-vercel-forwarded-for",
  ...["proxy", "x-request-id"],
];
/** Any `X-Forwarded-*`; and `X-Tunnel-*`, which is the relay's own. */
const forwardedPrefixes = ["x-forwarded-", "x-tunnel-"];

/** Fields that the relay writes itself, out of what a proxy says in them. */
const rewritten = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"];

/**
 * What a proxy sets that only appends to `X-Forwarded-For`. `X-Forwarded-Host` is not among them: many pass the visitor's own
 * on, and the relay makes one of `Host`.
 */
export const defaultProxyHeaders: readonly string[] = ["x-forwarded-for", "x-forwarded-proto"];

/** Which fields trusted proxies are believed, and which are nobody's to send. */
export interface ProxyHeaders {
  /** Names, in lower case, of what trusted proxies set. */
  readonly believed: ReadonlySet<string>;
  /** Believed ones that travel on as they are; `undefined`: there are none. */
  readonly others: FieldSet | undefined;
  /** Fields of a request that do not travel on. Those that are believed are added again. */
  readonly drop: FieldSet;
}

/** `names`: the fields that the trusted proxies set. @throws TunnelError `invalid_option`. */
export function proxyHeaders(names: readonly string[]): ProxyHeaders {
  const believed = new Set(names.map(checkName));
  const others = [...believed].filter((name) => !rewritten.includes(name));
  return {
    believed,
    others: others.length === 0 ? undefined : new FieldNames(others),
    drop: new AnySpelling([...forwardedNames, ...believed], forwardedPrefixes),
  };
}

/** What belongs to the request itself, and would be lost with every visitor who comes without a proxy. */
const ofTheRequest = [
  ...["authorization", "connection", "cookie", "expect", "host", "origin", "range", "referer", "te"],
  ...["trailer", "transfer-encoding", "upgrade", "user-agent"],
];
const ofTheRequestPrefixes = ["accept", "access-control-", "content-", "if-", "sec-"];

function checkName(given: string): string {
  const name = given.toLowerCase();
  const isOfTheRequest =
    ofTheRequest.includes(name) || ofTheRequestPrefixes.some((prefix) => name.startsWith(prefix));
  if (/^[a-z0-9-]+$/.test(name) && !name.startsWith("x-tunnel-") && !isOfTheRequest) return name;
  throw unusable(
    `the trusted proxy's header '${given}' is not the name of a field that a proxy sets, such as x-real-ip`,
    { options: ["trustedProxyHeaders"] },
  );
}
