import { lookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { isLoopback } from "./target.js";

/** How long an answer is good for, in milliseconds: addresses come and go when a machine changes its network. */
const keptMs = 10_000;

/**
 * Looks names up as the system does, but one of this machine only every ten seconds: each new connection would wait for a
 * thread that asks again (measured: a tenth to a quarter of the time until an event stream's first event).
 */
export function createLookup(): LookupFunction {
  let kept: { hostname: string; addresses: LookupAddress[]; until: number } | undefined;
  return (hostname, options, callback) => {
    const isForAll = options.all === true && (options.family ?? 0) === 0;
    if (!isForAll) {
      lookup(hostname, options, callback);
    } else if (kept?.hostname === hostname && performance.now() < kept.until) {
      process.nextTick(callback, null, kept.addresses);
    } else {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        // The name may be of another machine's, whose address changes when it is started again.
        if (error === null && addresses.every(({ address }) => isLoopback(address))) {
          kept = { hostname, addresses, until: performance.now() + keptMs };
        }
        callback(error, addresses);
      });
    }
  };
}
