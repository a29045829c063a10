import { AnySpelling, FieldNames, type FieldSet, unusable } from "mcp-tunnel-protocol";

/**
 * Fields that local services and their libraries take for the word of a proxy in front of them, about the
 * visitor's address, the scheme, the host or the path. request-ip, django-ipware, Rack, Rails, WebOb,
 * Werkzeug, WebLogic, Symfony and the networks that deliver for others (Cloudflare, Fastly, Akamai, Azure,
 * Fly.io) read or write them. Rack::Sendfile takes X-Accel-Mapping and X-Sendfile-Type for a proxy's word,
 * too, and maps paths by them (CVE-2025-61780). `Proxy` becomes the HTTP_PROXY of a CGI program ("httpoxy",
 * CVE-2016-5385).
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
/** All `X-Forwarded-*`, and all `X-Tunnel-*`, which belong to the relay. */
const forwardedPrefixes = ["x-forwarded-", "x-tunnel-"];

/** Fields that the relay writes itself, from the values that a proxy gives them. */
const rewritten = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"];

/**
 * The fields of a proxy that sets no more than necessary: it appends to `X-Forwarded-For`. `X-Forwarded-Host`
 * is not among them, because many proxies pass on the visitor's own, and the relay makes one of `Host`.
 */
export const defaultProxyHeaders: readonly string[] = ["x-forwarded-for", "x-forwarded-proto"];

/** The fields in which trusted proxies are believed, and the fields that no request may bring. */
export interface ProxyHeaders {
  /** Names of the fields that trusted proxies set, in lower case. */
  readonly believed: ReadonlySet<string>;
  /** Believed fields that travel on as they are; `undefined` if there are none. */
  readonly others: FieldSet | undefined;
  /** Fields of a request that do not travel on. Believed fields among them are added again. */
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

/**
 * Fields of the request itself. As a proxy's fields they would be lost for visitors that come without a
 * proxy.
 */
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
