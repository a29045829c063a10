import { isIP } from "node:net";
import { listValues, type RawHeaders, visitorField } from "mcp-tunnel-protocol";
import { type AddressRanges, plainAddress } from "mcp-tunnel-shared";
import { addressRanges } from "../net/addresses.js";
import type { Visitor } from "./visitor.js";
import type { ProxyHeaders } from "./proxy-headers.js";
import { drawRequestId } from "./request-id.js";

/** Proxies in front of the relay that are believed about the visitor's address. */
export type TrustedProxies = AddressRanges;

export function trustedProxies(ranges: readonly string[]): TrustedProxies {
  return addressRanges(ranges, "trusted proxy", "trustedProxies");
}

/** An id of a proxy: the characters that proxies use for ids, none of which does harm in a log or a shell. */
const usableId = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** An id of the visitor's own, which goes into the log: it has no character that ends a word there. */
const visitorsId = /^[\x21-\x7e]{1,255}$/;

/** The proxies that are believed about visitors, and the fields in which they are believed. */
export interface ProxyTrust {
  readonly trustedProxies: TrustedProxies;
  readonly trustedProxyHeaders: ProxyHeaders;
}

/** Decides what a request's own fields may say about the visitor. */
export function describeVisitor(
  peer: string,
  scheme: "http" | "https",
  host: string,
  rawHeaders: RawHeaders,
  trust: ProxyTrust,
): Visitor {
  const peerAddress = plainAddress(peer);
  const { trustedProxies, trustedProxyHeaders } = trust;
  // If trusted proxies set X-Request-Id, nobody else may send it.
  const given = trustedProxyHeaders.believed.has("x-request-id") ? undefined : idField(rawHeaders);
  if (trustedProxies.size > 0 && isIP(peerAddress) !== 0 && trustedProxies.has(peerAddress)) {
    return proxiedVisitor(peerAddress, scheme, host, rawHeaders, trust, given);
  }
  const requestId = drawRequestId();
  const add = relayFields(peerAddress, host, scheme, given, requestId, peerAddress);
  const { drop } = trustedProxyHeaders;
  return { address: peerAddress, requestId, visitorRequestId: given?.value, drop, add, proxied: false };
}

/** The same for a request of the trusted proxy `peer`. `given`: an id that the visitor may send. */
function proxiedVisitor(
  peer: string,
  scheme: "http" | "https",
  host: string,
  rawHeaders: RawHeaders,
  { trustedProxies, trustedProxyHeaders }: ProxyTrust,
  given: Field | undefined,
): Visitor {
  const { believed, others, drop } = trustedProxyHeaders;
  const said = (name: string): string[] => (believed.has(name) ? listValues(rawHeaders, name) : []);
  const chain = [...said("x-forwarded-for"), peer];
  // Of several values the last is the proxy's own. Those before it may be the visitor's.
  const proto = said("x-forwarded-proto").at(-1)?.toLowerCase();
  const givenId = said("x-request-id").at(-1);
  const requestId = givenId !== undefined && usableId.test(givenId) ? givenId : drawRequestId();
  const address = originator(chain, trustedProxies);
  const add = relayFields(
    chain.join(", "),
    said("x-forwarded-host").at(-1) ?? host,
    proto === "http" || proto === "https" ? proto : scheme,
    given,
    requestId,
    address,
  );
  // Believed fields are added like the relay's own, so that no `Connection` can take them out.
  for (let i = 0; others !== undefined && i < rawHeaders.length; i += 2) {
    if (others.has(rawHeaders[i] as string)) add.push(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  return { address, requestId, visitorRequestId: given?.value, drop, add, proxied: true };
}

interface Field {
  name: string;
  value: string;
}

/**
 * The fields that the relay itself writes for the local service. `given`: the id that the visitor gave the
 * request.
 */
function relayFields(
  chain: string,
  host: string,
  proto: string,
  given: Field | undefined,
  requestId: string,
  address: string,
): RawHeaders {
  // In one piece: an array that grows leaves its smaller memory behind.
  return [
    "X-Forwarded-For",
    chain,
    "X-Forwarded-Host",
    host,
    "X-Forwarded-Proto",
    proto,
    given?.name ?? "X-Request-Id",
    given?.value ?? requestId,
    visitorField,
    address,
  ];
}

/**
 * The `X-Request-Id` of the request as it came, name and value, because signatures of webhooks cover it.
 * `undefined` if it is no id, or if there are several, because services differ in the one that they take.
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

/**
 * How many hops are looked up, from the last one. No request passes as many proxies. Only a sender at a
 * trusted address can send a longer chain of trusted hops.
 */
const maxHops = 100;

/** The last hop that is no trusted proxy. Everything to its left is the visitor's own claim. */
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
