import { AnySpelling, endToEndHeaders, FieldNames, headerValue } from "mcp-tunnel-protocol";
import type { FieldSet, RawHeaders, RequestHead } from "mcp-tunnel-protocol";
import type { HostHeader, ForwardingOptions } from "./policies.js";
import type { Agreement } from "./agreement/agreement.js";
import { notAskedOfMetadata } from "./agreement/metadata.js";
import type { Target } from "./target.js";

/** How request fields are made fit for the local service. */
export interface HeaderPolicy {
  readonly target: Target;
  readonly hostHeader: HostHeader;
  /** Fields that do not reach it. */
  readonly drop: FieldSet;
  /** The same of a request for metadata that is rewritten. */
  readonly dropForMetadata: FieldSet;
}

export function headerPolicy({
  target,
  hostHeader,
  origin,
  forwardedHeaders,
}: ForwardingOptions): HeaderPolicy {
  const named = new FieldNames(origin === "drop" ? ["host", "origin"] : ["host"]);
  const drop = forwardedHeaders === "all" ? named : union(named, allForwardedBut(forwardedHeaders));
  return { target, hostHeader, drop, dropForMetadata: union(drop, notAskedOfMetadata) };
}

function allForwardedBut(passed: readonly string[]): FieldSet {
  const names = new FieldNames(passed.map((name) => `x-forwarded-${name}`));
  // Looked up for every field of every request: of the many that begin with x, few go on with f.
  return { has: (name) => hasF(name) && forwardedFields.has(name) && !names.has(name) };
}

/** In the place where `Forwarded` and `X-Forwarded-*` have it, in either case. */
function hasF(name: string): boolean {
  return (name.charCodeAt(0) | 0x20) === 0x66 || (name.charCodeAt(2) | 0x20) === 0x66;
}

function union(one: FieldSet, other: FieldSet): FieldSet {
  return { has: (name) => one.has(name) || other.has(name) };
}

/** Also such as an original relay passes on as visitors send them. */
const forwardedFields = new AnySpelling(["forwarded"], ["x-forwarded-"]);

/**
 * Returns the fields for the local service: exactly one Host, first; hop-by-hop fields dropped, whatever the
 * relay did about them (it is not trusted to); those that speak of the service in its own words; everything
 * else in order, repeats and letter case kept.
 */
export function localHeaders(head: RequestHead, policy: HeaderPolicy, agreement: Agreement): RawHeaders {
  const { isForMetadata } = agreement;
  const kept = endToEndHeaders(head.headers, isForMetadata ? policy.dropForMetadata : policy.drop);
  agreement.settleRequest(kept);
  if (isForMetadata) kept.push("Accept-Encoding", "identity");
  kept.unshift("Host", hostFor(head, policy));
  return kept;
}

function hostFor(head: RequestHead, { hostHeader, target }: HeaderPolicy): string {
  if (hostHeader === "rewrite") return target.authority;
  if (hostHeader === "preserve") return headerValue(head.headers, "host") ?? target.authority;
  return hostHeader.value;
}
