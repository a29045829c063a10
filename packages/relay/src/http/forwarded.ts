import { BlockList, isIP, isIPv4 } from "node:net";
import { FieldNames, type RawHeaders, TunnelError, headerValue } from "mcp-tunnel-protocol";
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

/**
 * What only the relay may say to the local service. A visitor who could set one of these would
 * choose his own address or scheme. `X-Real-IP` is nginx' habit and as widely believed.
 */
const forwardedFields = inAllSpellings([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-scheme",
  "x-forwarded-server",
  "x-forwarded-ssl",
  "x-real-ip",
  "x-request-id",
]);
/** What is rewritten even when a trusted proxy sent it; the rest of its fields pass. */
const rewrittenFields = inAllSpellings([
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-request-id",
]);

/** With underscores for hyphens as well: the environment of CGI, and of what came after it, knows no difference. */
function inAllSpellings(names: readonly string[]): FieldNames {
  const all = new Set<string>();
  for (const name of names) {
    let spellings = [""];
    for (const part of name.split(/(-)/)) {
      spellings = spellings.flatMap((start) => (part === "-" ? [`${start}-`, `${start}_`] : [start + part]));
    }
    for (const spelling of spellings) all.add(spelling);
  }
  return new FieldNames(all);
}

/** What is known about the visitor, and the fields that tell the local service. */
export interface Visitor {
  /** The address from which the request came first, as far as it can be believed. */
  address: string;
  /** Names the request in the logs of everybody whom it passes: drawn here, or by a trusted proxy. */
  requestId: string;
  /** Fields of the request that do not travel on. */
  drop: FieldNames;
  /** Fields to add. */
  add: RawHeaders;
  /** A trusted proxy said so. */
  proxied: boolean;
}

/** What proxies make ids of, and what does no harm in a log or a shell. */
const usableId = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** Everything that a request's own headers may or may not say about the visitor is decided here. */
export function describeVisitor(
  peer: string,
  scheme: "http" | "https",
  host: string,
  rawHeaders: RawHeaders,
  proxies: TrustedProxies,
): Visitor {
  const address = plainAddress(peer);
  if (proxies.size === 0 || isIP(address) === 0 || !proxies.has(address)) {
    const requestId = drawRequestId();
    return {
      address,
      requestId,
      drop: forwardedFields,
      add: [
        "X-Forwarded-For",
        address,
        "X-Forwarded-Host",
        host,
        "X-Forwarded-Proto",
        scheme,
        "X-Request-Id",
        requestId,
      ],
      proxied: false,
    };
  }
  const chain = listValues(rawHeaders, "x-forwarded-for");
  const proto = headerValue(rawHeaders, "x-forwarded-proto")?.trim().toLowerCase();
  const givenId = headerValue(rawHeaders, "x-request-id");
  const requestId = givenId !== undefined && usableId.test(givenId) ? givenId : drawRequestId();
  return {
    address: originator([...chain, address], proxies),
    requestId,
    proxied: true,
    drop: rewrittenFields,
    add: [
      "X-Forwarded-For",
      [...chain, address].join(", "),
      "X-Forwarded-Host",
      headerValue(rawHeaders, "x-forwarded-host") ?? host,
      "X-Forwarded-Proto",
      proto === "http" || proto === "https" ? proto : scheme,
      "X-Request-Id",
      requestId,
    ],
  };
}

/** The last hop that no trusted proxy vouches for: everything to its left is the visitor's own claim. */
function originator(chain: readonly string[], proxies: TrustedProxies): string {
  let believed = chain.at(-1) as string;
  for (const hop of chain.toReversed()) {
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
