import type { HostHeader, OriginPolicy, ForwardingOptions } from "../policies.js";
import { PerTunnel } from "../../per-tunnel.js";
import type { ClientWarning } from "../../service.js";
import { PublicNames, type PublicSide } from "./public-names.js";
import { originOf, References } from "./references.js";

/** The name that the client gives the service, in place of the public one. */
export interface WrittenName {
  /** The service's own origins by scheme. */
  readonly origins: { readonly http: string; readonly https: string };
  /** The scheme by which the service is reached. */
  readonly scheme: "http" | "https";
  /** Without the port, in lower case. */
  readonly host: string;
  readonly references: References;
}

/** The settings that all exchanges of a session share. */
export interface Terms {
  readonly tunnel: PublicSide;
  readonly publicNames: PublicNames;
  /** Undefined: the service is told the public name. */
  readonly written: WrittenName | undefined;
  readonly origin: OriginPolicy;
  /** The service is told the visitor's scheme (`X-Forwarded-Proto`). */
  readonly passesScheme: boolean;
  readonly rewritesMetadata: boolean;
  /** Tells the user of the client something that he has to know. */
  readonly warn: (warning: ClientWarning) => void;
}

export function termsOf(options: ForwardingOptions, tunnel: PublicSide, warn: Terms["warn"]): Terms {
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
  const publicNames = new PublicNames(tunnel);
  return { tunnel, publicNames, written, origin, passesScheme, rewritesMetadata, warn };
}

/** The terms of each tunnel. Each kind of warning is told once, whichever the tunnel. */
export function termsPerTunnel(options: ForwardingOptions): PerTunnel<Terms> {
  const told = new Set<string>();
  return new PerTunnel((tunnel) =>
    termsOf(options, tunnel, (warning) => {
      if (told.has(warning.code)) return;
      told.add(warning.code);
      tunnel.warn(warning);
    }),
  );
}

function writtenAuthority(hostHeader: HostHeader, own: string): string | undefined {
  if (hostHeader === "preserve") return undefined;
  return hostHeader === "rewrite" ? own : hostHeader.value;
}
