import { lookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { isLoopback } from "./target.js";

/**
 * Looks names up as the system does, but a name of this machine only until there was an answer: it does not change, and
 * every new connection would wait for a thread that asks again (measured: a tenth to a quarter of the time until an event stream's
 * first event).
 */
export function createLookup(): LookupFunction {
  let known: LookupAddress[] | undefined;
  return (hostname, options, callback) => {
    if (options.all !== true || !isLoopback(hostname)) {
      lookup(hostname, options, callback);
    } else if (known !== undefined) {
      process.nextTick(callback, null, known);
    } else {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error === null) known = addresses;
        callback(error, addresses);
      });
    }
  };
}
