import { Resolver } from "node:dns/promises";
import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";
import { AddressRanges } from "mcp-tunnel-shared";
import { LRUCache } from "lru-cache";
import { Agent, buildConnector, request } from "undici";
import { Tries } from "../tries.js";
import { addressOf } from "./address.js";
import type { Records } from "./records.js";

const maxDocumentBytes = 5 * 1_024;
const timeoutMs = 3_000;
/**
 * How many documents one address may have fetched in a minute, and how many are fetched at a time. Documents
 * that come slowly take all places only if dozens of addresses ask for them.
 */
const fetchesPerMinute = 20;
const maxConcurrent = 50;

/** The library asks twice when a document is no good: once more as it makes the page of error. */
const recentMs = 10_000;

interface Fetched {
  readonly status: number;
  readonly text: string;
  readonly cacheControl: string;
}

/** How the names of clients are looked up and connected to. */
export interface Network {
  lookup(hostname: string): Promise<string[]>;
  readonly connect: buildConnector.connector;
}

export const systemNetwork: Network = {
  async lookup(hostname) {
    // Not `dns.lookup`: it blocks one of Node's few threads for as long as a stranger's name server likes.
    const resolver = new Resolver({ timeout: timeoutMs / 2, tries: 2 });
    // Not each network reaches IPv6 addresses, and only one address is tried.
    const ipv4 = await resolver.resolve4(hostname).catch(() => []);
    return ipv4.length > 0 ? ipv4 : await resolver.resolve6(hostname);
  },
  connect: buildConnector({ timeout: timeoutMs }),
};

/**
 * Fetches the documents in which clients say who they are (draft-ietf-oauth-client-id-metadata-document). A
 * stranger names the URL, so a fetch must reach nothing that he could not reach himself: the computer, its
 * network, a cloud's metadata service. The name is looked up once, and connected to at the address that was
 * checked: a second answer of the same name server could differ.
 */
export class ClientDocuments {
  readonly #records: Records;
  readonly #network: Network;
  readonly #tries = new Tries(fetchesPerMinute);
  readonly #recent = new LRUCache<string, Promise<Fetched>>({ max: 100, ttl: recentMs, perf: Date });
  #open = 0;

  constructor(records: Records, network: Network) {
    this.#records = records;
    this.#network = network;
  }

  /**
   * Counts a fetch for a visitor. `req`: his request. A client that has a grant is looked up without a limit,
   * or strangers could keep it out.
   */
  mayFetch(url: string, req: IncomingMessage | undefined): boolean {
    if (this.#records.hasGrant(url) || this.#recent.has(url)) return true;
    const address = addressOf(req);
    if (this.#tries.waitSeconds(address) > 0) return false;
    this.#tries.failed(address);
    return true;
  }

  /**
   * The document, as the library would fetch it. If it cannot be had now, the one that was read last holds: a
   * client would lose its grant because its own site is down for a moment. `origin`: the gate's own.
   */
  async fetch(url: string, origin: string): Promise<Response> {
    const kept = this.#records.find("ClientDocument", url)?.payload["document"];
    try {
      const { status, text, cacheControl } = await this.#fetchOnce(url, origin);
      if (status < 500 || typeof kept !== "string") {
        return new Response(text, { status, headers: { "cache-control": cacheControl } });
      }
    } catch (error) {
      if (typeof kept !== "string") throw error;
    }
    return new Response(kept);
  }

  #fetchOnce(url: string, origin: string): Promise<Fetched> {
    const recent = this.#recent.get(url);
    if (recent !== undefined) return recent;
    const fetched = this.#fetchNow(url, origin);
    this.#recent.set(url, fetched);
    return fetched;
  }

  async #fetchNow(url: string, origin: string): Promise<Fetched> {
    if (this.#open >= maxConcurrent) throw new Error("too many documents are being fetched");
    this.#open += 1;
    try {
      return await this.#fetch(new URL(url), origin);
    } finally {
      this.#open -= 1;
    }
  }

  async #fetch(url: URL, origin: string): Promise<Fetched> {
    requireFetchable(url, origin);
    const signal = AbortSignal.timeout(timeoutMs);
    const address = await this.#addressOf(url.hostname, signal);
    const agent = new Agent({
      connect: (options, callback) =>
        this.#network.connect({ ...options, hostname: address, servername: url.hostname }, callback),
      maxResponseSize: maxDocumentBytes,
    });
    try {
      const headers = { accept: "application/json", "user-agent": "mcp-tunnel-gate" };
      const {
        statusCode,
        headers: fields,
        body,
      } = await request(url, { dispatcher: agent, signal, headers });
      const text = statusCode === 200 ? await body.text() : "";
      if (statusCode === 200) this.#records.put("ClientDocument", url.href, { document: text }, {});
      return { status: statusCode, text, cacheControl: String(fields["cache-control"] ?? "") };
    } finally {
      await agent.destroy();
    }
  }

  async #addressOf(hostname: string, signal: AbortSignal): Promise<string> {
    const addresses = await before(signal, this.#network.lookup(hostname));
    const found = addresses.find(isGlobal);
    if (found === undefined) throw new Error(`${hostname} has no public address`);
    return found;
  }
}

function requireFetchable({ origin, protocol, hostname, port, username, password }: URL, own: string): void {
  // A request that has the gate ask itself could go round and round.
  if (origin === own) throw new Error("a client's document lies elsewhere");
  const isName = isIP(hostname.replace(/^\[|\]$/g, "")) === 0;
  if (protocol !== "https:" || port !== "" || username !== "" || password !== "" || !isName) {
    throw new Error("a client's document lies at an https URL with a name, at port 443");
  }
}

async function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return await Promise.race([
    work,
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("the name was not found in time")), {
        once: true,
      });
    }),
  ]);
}

/**
 * Addresses that are no host's on the internet (IANA's special-purpose registries, RFC 6890), and multicast.
 */
const special = new AddressRanges();
for (const range of [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
  ...[
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
  ],
  ...["192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
  ...["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"],
]) {
  special.add(range);
}
/** All global unicast addresses so far (RFC 4291 section 2.4). IPv4 within IPv6, and NAT64, lie elsewhere. */
const globalUnicast = new AddressRanges();
globalUnicast.add("2000::/3");

export function isGlobal(address: string): boolean {
  if (isIP(address) === 0 || special.has(address)) return false;
  return !isIPv6(address) || globalUnicast.has(address);
}
