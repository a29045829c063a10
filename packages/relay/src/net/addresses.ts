import { unusable } from "mcp-tunnel-protocol";
import { AddressRanges } from "mcp-tunnel-shared";

/**
 * Reads addresses and CIDR ranges of the option `option`. Errors say `what` these are.
 * @throws TunnelError `invalid_option`.
 */
export function addressRanges(ranges: readonly string[], what: string, option: string): AddressRanges {
  const all = new AddressRanges();
  for (const range of ranges) {
    if (all.add(range)) continue;
    throw unusable(`the ${what} '${range}' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8`, {
      options: [option],
    });
  }
  return all;
}
