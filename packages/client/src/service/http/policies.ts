import type { TlsSettings } from "../../net/tls-options.js";
import type { Target } from "./target.js";

/** Which Host the local service sees: see `TunnelClientOptions.hostHeader`. */
export type HostHeader = "rewrite" | "preserve" | { readonly value: string };

/** What the local service sees of the origins of pages: see `TunnelClientOptions.origin`. */
export type OriginPolicy = (typeof originPolicies)[number];

export const originPolicies = ["keep", "rewrite", "drop"] as const;
export const defaultOrigin: OriginPolicy = "rewrite";

/** What the client does with OAuth metadata: see `TunnelClientOptions.oauthMetadata`. */
export type OauthMetadata = (typeof oauthMetadataPolicies)[number];

export const oauthMetadataPolicies = ["rewrite", "keep"] as const;
export const defaultOauthMetadata: OauthMetadata = "rewrite";

/** Which `X-Forwarded-*` reach the local service: see `TunnelClientOptions.forwardedHeaders`. */
export type ForwardedHeaders = "all" | readonly ForwardedHeader[];
export type ForwardedHeader = (typeof forwardedHeaders)[number];

export const forwardedHeaders = ["for", "host", "proto"] as const;
/**
 * The defaults for a service that is told the public name, and for a service that is told its own. The public
 * host and scheme would contradict its own name: most services compare `Origin` with one of the two, some
 * with the other.
 */
export const defaultForwardedHeaders = { publicName: "all", ownName: "for" } as const;

/**
 * How requests are made fit for a service, and sent to it; checked and complete (service-options.ts at the
 * root).
 */
export interface ForwardingOptions {
  readonly target: Target;
  readonly hostHeader: HostHeader;
  readonly origin: OriginPolicy;
  readonly forwardedHeaders: ForwardedHeaders;
  readonly oauthMetadata: OauthMetadata;
  /** TLS with the target, if that has it. */
  readonly tls: TlsSettings;
  readonly connectTimeoutMs: number;
  readonly maxResponseHeadBytes: number;
}
