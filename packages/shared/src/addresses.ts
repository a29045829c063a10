import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

/** A set of addresses. */
export class AddressRanges {
  readonly #list = new BlockList();
  #size = 0;

  /** How many ranges were added. */
  get size(): number {
    return this.#size;
  }

  /** Adds an address, or a range such as 10.0.0.0/8. False if the text is neither. */
  add(range: string): boolean {
    const [address = "", prefix, ...rest] = range.split("/");
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    const bits = prefix === undefined ? most : Number(prefix);
    const isWellFormed = prefix === undefined || /^[0-9]{1,3}$/.test(prefix);
    if (version === 0 || rest.length > 0 || !isWellFormed || bits > most) return false;
    this.#list.addSubnet(address, bits, version === 4 ? "ipv4" : "ipv6");
    this.#size += 1;
    return true;
  }

  has(address: string): boolean {
    // The zone of a link-local address has a meaning on this machine only. BlockList does not take it.
    const [unscoped = ""] = address.split("%");
    return this.#list.check(unscoped, isIPv4(unscoped) ? "ipv4" : "ipv6");
  }
}

const mappedIPv4 = /^::ffff:([0-9.]+)$/i;

/** Writes an IPv4 address that came in over a dual-stack socket as IPv4. Other addresses stay as they are. */
export function plainAddress(address: string): string {
  const mapped = mappedIPv4.exec(address)?.[1];
  return mapped !== undefined && isIPv4(mapped) ? mapped : address;
}

/**
 * The key under which an address counts: an IPv4 address itself, or the IPv6 /64 that one household or
 * machine has to itself. `address`: a plain one, see {@link plainAddress}.
 */
export function addressKey(address: string): string {
  return isIPv6(address) ? prefix64(address) : address;
}

/** The first four groups. */
function prefix64(address: string): string {
  const [unscoped = ""] = address.split("%");
  // The shortest form of RFC 5952, in hexadecimal throughout.
  const canonical = new URL(`http://[${unscoped}]`).hostname.slice(1, -1);
  const [before = "", after] = canonical.split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = new Array<string>(8 - head.length - tail.length).fill("0");
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(":")}::/64`;
}

/** The port of a URL, also if it is that of the scheme and does not stand there. */
export function portOf({ protocol, port }: URL): number {
  if (port !== "") return Number(port);
  return protocol === "https:" || protocol === "wss:" ? 443 : 80;
}
