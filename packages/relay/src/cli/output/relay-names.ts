import { isIP } from "node:net";
import type { WorkerState } from "../../admin/source.js";

/** What the answer of the admin API says of the relays. An older relay says less. */
interface KnownRelays {
  readonly workers?: readonly WorkerState[];
  /** Where the relays of the cluster reach one another, by their ids. */
  readonly addresses?: Readonly<Record<string, string>>;
}

/**
 * A name for each relay of a cluster, by its id, which is drawn at each start and means nothing to a person.
 * It is the number of a worker, or the relay's address: as much of it as tells the relays apart, or all of
 * it if `isWhole`. A relay whose address is not known has its id for a name.
 */
export function relayNames(
  { workers = [], addresses = {} }: KnownRelays,
  isWhole = false,
): (node: string) => string {
  const names = new Map(isWhole ? Object.entries(addresses) : shortened(addresses));
  for (const { node, worker } of workers) if (node !== undefined) names.set(node, `worker ${worker}`);
  return (node) => names.get(node) ?? node;
}

function shortened(addresses: Readonly<Record<string, string>>): [id: string, name: string][] {
  const places = Object.entries(addresses).map(([id, address]) => {
    const colon = address.lastIndexOf(":");
    return { id, host: address.slice(0, colon), port: address.slice(colon) };
  });
  const isOnePort = new Set(places.map(({ port }) => port)).size === 1;
  const common = commonDomain(places.map(({ host }) => host));
  return places.map(({ id, host, port }) => {
    const short = host.slice(0, host.length - common);
    return [id, isOnePort ? short.replaceAll(/[[\]]/g, "") : short + port];
  });
}

/** How many characters at the end of all hosts are one domain, its dot included. */
function commonDomain(hosts: readonly string[]): number {
  const [first = "", ...others] = hosts;
  if (others.length === 0 || hosts.some((host) => host.startsWith("[") || isIP(host) !== 0)) return 0;
  const dots = [...first.matchAll(/\./g)].map(({ index }) => index);
  const start = dots.find((dot) => others.every((host) => host.endsWith(first.slice(dot))));
  return start === undefined ? 0 : first.length - start;
}
