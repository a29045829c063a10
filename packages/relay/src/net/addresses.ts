import { BlockList, isIP, isIPv4 } from "node:net";
import { unusable } from "mcp-tunnel-protocol";

/** A set of addresses. */
export interface AddressRanges {
  readonly size: number;
  has(address: string): boolean;
}

/**
 * Reads addresses and CIDR ranges of the option `option`. Errors say `what` these are.
 * @throws TunnelError `invalid_option`.
 */
export function addressRanges(ranges: readonly string[], what: string, option: string): AddressRanges {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix, ...rest] = range.split("/");
    const version = isIP(address);
    const bits = prefix === undefined ? (version === 4 ? 32 : 128) : Number(prefix);
    const wellFormed = prefix === undefined || /^[0-9]{1,3}$/.test(prefix);
    if (version === 0 || rest.length > 0 || !wellFormed || bits > (version === 4 ? 32 : 128)) {
      throw unusable(
        `the ${what} '${range}' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8`,
        { options: [option] },
      );
    }
    list.addSubnet(address, bits, version === 4 ? "ipv4" : "ipv6");
  }
  return {
    size: ranges.length,
    has(address) {
      // The zone of a link-local address has a meaning on this machine only. BlockList does not take it.
      const [unscoped = ""] = address.split("%");
      return list.check(unscoped, isIPv4(unscoped) ? "ipv4" : "ipv6");
    },
  };
}

/** Writes an IPv4 address that came in over a dual-stack socket as IPv4. Other addresses stay as they are. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  return mapped !== undefined && isIPv4(mapped) ? mapped : address;
}
