import { BlockList, isIP, isIPv4 } from "node:net";
import { type FieldSet, type RawHeaders, TunnelError } from "mcp-tunnel-protocol";
import type { ProxyHeaders } from "./proxy-headers.js";
import { drawRequestId } from "./request-id.js";

/** A set of addresses. */
export interface AddressRanges {
  readonly size: number;
  has(address: string): boolean;
}

/** Proxies in front of the relay whose word on the visitor's address counts. */
export type TrustedProxies = AddressRanges;

export function trustedProxies(ranges: readonly string[]): TrustedProxies {
  return addressRanges(ranges, "trusted proxy");
}

/**
 * Reads addresses and CIDR ranges. `what` they are is said in the error.
 * @throws TunnelError `invalid_option`.
 */
export function addressRanges(ranges: readonly string[], what: string): AddressRanges {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix, ...rest] = range.split("/");
    const version = isIP(address);
    const bits = prefix === undefined ? (version === 4 ? 32 : 128) : Number(prefix);
    const wellFormed = prefix === undefined || /^[0-9]{1,3}$/.test(prefix);
    if (version === 0 || rest.length > 0 || !wellFormed || bits > (version === 4 ? 32 : 128)) {
      throw new TunnelError(
        "invalid_option",
        `the ${what} '${range}' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8`,
      );
    }
    list.addSubnet(address, bits, version === 4 ? "ipv4" : "ipv6");
  }
  return {
    size: ranges.length,
    has(address) {
      // The zone of a link-local address is this machine's own; BlockList does not take it.
      const [unscoped = ""] = address.split("%");
      return list.check(unscoped, isIPv4(unscoped) ? "ipv4" : "ipv6");
    },
  };
}

/** An IPv4 address that came in over a dual-stack socket, written as IPv4. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  return mapped !== undefined && isIPv4(mapped) ? mapped : address;
}

/** What is known about the visitor, and the fields that tell the local service. */
export interface Visitor {
  /** The address from which the request came first, as far as it can be believed. */
  address: string;
  /** Names the request in the logs of everybody whom it passes: drawn here, or by a trusted proxy. */
  requestId: string;
  /** Fields of the request, of its head as of its trailers, that do not travel on. */
  drop: FieldSet;
  /** Fields to add. */
  add: RawHeaders;
  /** A trusted proxy said so. */
  proxied: boolean;
}

/** What proxies make ids of, and what does no harm in a log or a shell. */
const usableId = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** Who is believed about visitors, and in which fields. */
export interface ProxyTrust {
  readonly trustedProxies: TrustedProxies;
  readonly trustedProxyHeaders: ProxyHeaders;
}

/** Everything that a request's own headers may or may not say about the visitor is decided here. */
export function describeVisitor(
  peer: string,
  scheme: "http" | "https",
  host: string,
  rawHeaders: RawHeaders,
  { trustedProxies, trustedProxyHeaders }: ProxyTrust,
): Visitor {
  const address = plainAddress(peer);
  const { believed, others, drop } = trustedProxyHeaders;
  if (trustedProxies.size === 0 || isIP(address) === 0 || !trustedProxies.has(address)) {
    const requestId = drawRequestId();
    const add = forwardedFields(address, host, scheme, requestId);
    return { address, requestId, drop, add, proxied: false };
  }
  const said = (name: string): string[] => (believed.has(name) ? listValues(rawHeaders, name) : []);
  const chain = said("x-forwarded-for");
  // Of several, the last is the proxy's own: before it may stand the visitor's.
  const proto = said("x-forwarded-proto").at(-1)?.toLowerCase();
  const givenId = said("x-request-id").at(-1);
  const requestId = givenId !== undefined && usableId.test(givenId) ? givenId : drawRequestId();
  const add = forwardedFields(
    [...chain, address].join(", "),
    said("x-forwarded-host").at(-1) ?? host,
    proto === "http" || proto === "https" ? proto : scheme,
    requestId,
  );
  // Added like the relay's own, so that no `Connection` can take them out.
  for (let i = 0; others !== undefined && i < rawHeaders.length; i += 2) {
    if (others.has(rawHeaders[i] as string)) add.push(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  return { address: originator([...chain, address], trustedProxies), requestId, drop, add, proxied: true };
}

function forwardedFields(chain: string, host: string, proto: string, requestId: string): RawHeaders {
  return [
    "X-Forwarded-For",
    chain,
    "X-Forwarded-Host",
    host,
    "X-Forwarded-Proto",
    proto,
    "X-Request-Id",
    requestId,
  ];
}

/** Hops that are looked up. No request passes as many proxies; who sends more of them is himself at a trusted address. */
const maxHops = 100;

/** The last hop that no trusted proxy vouches for: everything to its left is the visitor's own claim. */
function originator(chain: readonly string[], proxies: TrustedProxies): string {
  let believed = chain.at(-1) as string;
  for (const hop of chain.slice(-maxHops).toReversed()) {
    const address = plainAddress(hop);
    if (isIP(address) === 0) break;
    believed = address;
    if (!proxies.has(address)) break;
  }
  return believed;
}

/** All values of a list field, over all its lines, in order. */
function listValues(rawHeaders: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if ((rawHeaders[i] as string).toLowerCase() !== name) continue;
    for (const value of (rawHeaders[i + 1] as string).split(",")) {
      if (value.trim() !== "") values.push(value.trim());
    }
  }
  return values;
}
