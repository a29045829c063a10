import { lookup as systemLookup } from "node:dns";
import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { isLocalhost } from "./forward/target.js";

/** In the order in which browsers and curl try them. A service often listens on one of them only. */
const loopback: LookupAddress[] = [
  { address: "::1", family: 6 },
  { address: "127.0.0.1", family: 4 },
];

/**
 * Looks names up as the system does, but those of this machine: they are its loopback addresses, whatever a resolver says
 * (RFC 6761 section 6.3). Some know `localhost` as one of the two only, and names below it not at all.
 *
 * For connections that try one address after the other (`autoSelectFamily`): a single address is left to the system.
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
  if (options.all === true && isLocalhost(hostname)) process.nextTick(callback, null, loopback);
  else systemLookup(hostname, options, callback);
};
