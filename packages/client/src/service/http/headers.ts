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
  /** Fields that do not reach the service. */
  readonly drop: FieldSet;
  /** The same for a request for metadata that is rewritten. */
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
  // This runs for every field of every request. Many names begin with `x-`, but few of them go on with an f.
  return { has: (name) => hasF(name) && forwardedFields.has(name) && !names.has(name) };
}

/** Whether a name has an f where `Forwarded` or `X-Forwarded-*` have it, in either case. */
function hasF(name: string): boolean {
  return (name.charCodeAt(0) | 0x20) === 0x66 || (name.charCodeAt(2) | 0x20) === 0x66;
}

function union(one: FieldSet, other: FieldSet): FieldSet {
  return { has: (name) => one.has(name) || other.has(name) };
}

/** In any spelling, because an original relay passes such fields on as visitors send them. */
const forwardedFields = new AnySpelling(["forwarded"], ["x-forwarded-"]);

/**
 * Returns the fields for the local service. Exactly one Host comes first. Hop-by-hop fields are dropped,
 * because the relay is not trusted to do so. Fields that refer to the service use its own name. Everything
 * else stays in order, with repeats and letter case.
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
