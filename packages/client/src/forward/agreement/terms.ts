import { headerValue, type RequestHead } from "mcp-tunnel-protocol";
import type { HostHeader, OriginPolicy, ResolvedOptions } from "../../options.js";
import { originOf, References } from "./references.js";

/** What the relay says of the tunnel that a request belongs to. */
export interface PublicSide {
  /** The origin that the relay made public. */
  readonly origin: string;
  /**
   * The relay writes `X-Forwarded-Host` and `-Proto` itself. An original relay passes on those of visitors.
   */
  readonly isForwardedOwn: boolean;
}

/** The name that the client gives the service, in place of the public one. */
export interface WrittenName {
  /** The service's own origins by scheme. */
  readonly origins: { readonly http: string; readonly https: string };
  /** The scheme by which it is reached. */
  readonly scheme: "http" | "https";
  /** Without the port, in lower case. */
  readonly host: string;
  readonly references: References;
}

/** What all exchanges of a session have in common. */
export interface Terms {
  readonly tunnel: PublicSide;
  /** Undefined: the service is told the public name. */
  readonly written: WrittenName | undefined;
  readonly origin: OriginPolicy;
  /** The service is told the visitor's scheme (`X-Forwarded-Proto`). */
  readonly passesScheme: boolean;
  readonly rewritesMetadata: boolean;
  /** Told of something that the user of the client has to know. */
  readonly warn: (warning: ClientWarning) => void;
}

/** Something that works through the tunnel otherwise than without it, and what to do about it. */
export interface ClientWarning {
  readonly code: "signed_metadata" | "redirects_to_https";
  readonly message: string;
}

export function termsOf(options: ResolvedOptions, tunnel: PublicSide, warn: Terms["warn"]): Terms {
  const { hostHeader, target, origin, forwardedHeaders } = options;
  const authority = writtenAuthority(hostHeader, target.authority);
  const written =
    authority === undefined
      ? undefined
      : {
          origins: { http: originOf("http", authority), https: originOf("https", authority) },
          scheme: target.secure ? ("https" as const) : ("http" as const),
          host: authority.toLowerCase().replace(/:\d*$/, ""),
          references: References.toAuthority(authority),
        };
  const rewritesMetadata = written !== undefined && options.oauthMetadata === "rewrite";
  const passesScheme = forwardedHeaders === "all" || forwardedHeaders.includes("proto");
  return { tunnel, written, origin, passesScheme, rewritesMetadata, warn };
}

function writtenAuthority(hostHeader: HostHeader, own: string): string | undefined {
  if (hostHeader === "preserve") return undefined;
  return hostHeader === "rewrite" ? own : hostHeader.value;
}

/** A name or an address, with or without a port: what may stand in a URL between `//` and the path. */
const authorityPattern = /^(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * The origin that the visitor asked: one tunnel may be reached over http and https, and at several ports. The https that the relay
 * made public is not given up for http at the same place: a proxy with TLS that the relay does not know as one says nothing of its
 * own, and a page that came without TLS would be taken for one of the tunnel's.
 */
export function publicOriginOf({ headers }: RequestHead, { tunnel }: Terms): string {
  if (!tunnel.isForwardedOwn) return tunnel.origin;
  const host = headerValue(headers, "x-forwarded-host");
  const scheme = headerValue(headers, "x-forwarded-proto");
  // A trusted proxy in front of the relay may have said anything.
  if (host === undefined || !authorityPattern.test(host)) return tunnel.origin;
  if (scheme !== "http" && scheme !== "https") return tunnel.origin;
  const asked = originOf(scheme, host);
  return asked === tunnel.origin.replace(/^https:/, "http:") ? tunnel.origin : asked;
}
