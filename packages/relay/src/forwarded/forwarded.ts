import { isIP } from "node:net";
import { listValues, type RawHeaders, visitorField } from "mcp-tunnel-protocol";
import { type AddressRanges, addressRanges, plainAddress } from "../net/addresses.js";
import type { Visitor } from "./visitor.js";
import type { ProxyHeaders } from "./proxy-headers.js";
import { drawRequestId } from "./request-id.js";

/** Proxies in front of the relay whose word on the visitor's address counts. */
export type TrustedProxies = AddressRanges;

export function trustedProxies(ranges: readonly string[]): TrustedProxies {
  return addressRanges(ranges, "trusted proxy", "trustedProxies");
}

/** What proxies make ids of, and what does no harm in a log or a shell. */
const usableId = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** An id of the visitor's own: it stands in the log, and nothing in it ends a word there. */
const visitorsId = /^[\x21-\x7e]{1,255}$/;

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
  const peerAddress = plainAddress(peer);
  const { believed, others, drop } = trustedProxyHeaders;
  // Where the proxy is known to set it, it is nobody else's to send.
  const given = believed.has("x-request-id") ? undefined : idField(rawHeaders);
  const visitorRequestId = given?.value;
  if (trustedProxies.size === 0 || isIP(peerAddress) === 0 || !trustedProxies.has(peerAddress)) {
    const requestId = drawRequestId();
    const id = given ?? { name: "X-Request-Id", value: requestId };
    const add = relayFields(peerAddress, host, scheme, id, peerAddress);
    return { address: peerAddress, requestId, visitorRequestId, drop, add, proxied: false };
  }
  const said = (name: string): string[] => (believed.has(name) ? listValues(rawHeaders, name) : []);
  const chain = said("x-forwarded-for");
  // Of several, the last is the proxy's own: before it may stand the visitor's.
  const proto = said("x-forwarded-proto").at(-1)?.toLowerCase();
  const givenId = said("x-request-id").at(-1);
  const requestId = givenId !== undefined && usableId.test(givenId) ? givenId : drawRequestId();
  const address = originator([...chain, peerAddress], trustedProxies);
  const add = relayFields(
    [...chain, peerAddress].join(", "),
    said("x-forwarded-host").at(-1) ?? host,
    proto === "http" || proto === "https" ? proto : scheme,
    given ?? { name: "X-Request-Id", value: requestId },
    address,
  );
  // Added like the relay's own, so that no `Connection` can take them out.
  for (let i = 0; others !== undefined && i < rawHeaders.length; i += 2) {
    if (others.has(rawHeaders[i] as string)) add.push(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  return { address, requestId, visitorRequestId, drop, add, proxied: true };
}

interface Field {
  name: string;
  value: string;
}

/** What the relay itself says of a request to the local service. */
function relayFields(chain: string, host: string, proto: string, id: Field, address: string): RawHeaders {
  const fields = ["X-Forwarded-For", chain, "X-Forwarded-Host", host, "X-Forwarded-Proto", proto];
  fields.push(id.name, id.value, visitorField, address);
  return fields;
}

/**
 * The `X-Request-Id` of the request as it came, name and value: signatures of webhooks cover it. Undefined if
 * it is no id, or if there are several, of which services take different ones.
 */
function idField(rawHeaders: RawHeaders): Field | undefined {
  let field: Field | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length !== 12 || name.toLowerCase() !== "x-request-id") continue;
    if (field !== undefined) return undefined;
    field = { name, value: rawHeaders[i + 1] as string };
  }
  return field !== undefined && visitorsId.test(field.value) ? field : undefined;
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
