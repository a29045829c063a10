import { unusable } from "mcp-tunnel-protocol";
import { AddressRanges, plainAddress, printable } from "mcp-tunnel-shared";

/**
 * Reads the addresses from which visitors may come.
 * @throws TunnelError `invalid_option`.
 */
export function allowedAddresses(ranges: readonly string[]): (address: string | undefined) => boolean {
  const options = ["allowAddresses"];
  if (ranges.length === 0) throw unusable("allowAddresses is empty: nobody could come in", { options });
  const allowed = new AddressRanges();
  for (const range of ranges) {
    if (allowed.add(range)) continue;
    throw unusable(
      `the allowed address '${printable(range)}' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8`,
      { options },
    );
  }
  return (address) => address !== undefined && allowed.has(plainAddress(address));
}
