import { lookup as systemLookup } from "node:dns";
import type { LookupAddress } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import { isLocalhost } from "mcp-tunnel-shared";

const ipv6: LookupAddress = { address: "::1", family: 6 };
const ipv4: LookupAddress = { address: "127.0.0.1", family: 4 };
/**
 * The loopback addresses in the order in which browsers and curl try them. A service often listens on one of
 * them only.
 */
const loopback: LookupAddress[] = [ipv6, ipv4];

/**
 * Looks names up as the system does, except names of this machine. Those are its loopback addresses, whatever
 * a resolver says (RFC 6761 section 6.3). Some resolvers know `localhost` as only one of the two, and names
 * below it not at all.
 *
 * This is for connections that try one address after the other (`autoSelectFamily`). The system looks up a
 * single address.
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
  if (options.all === true && isLocalhost(hostname)) process.nextTick(callback, null, loopback);
  else systemLookup(hostname, options, callback);
};

/**
 * How long 127.0.0.1 is tried before ::1 once the service was found there, in milliseconds. It is short, and
 * successful connections do not prolong it: a service that was away for a moment may be back at ::1, and
 * another program may be at 127.0.0.1.
 */
const foundMs = 1_000;

/** Options for `net.connect` and `tls.connect`. */
interface ServiceConnectOptions {
  autoSelectFamily: boolean;
  autoSelectFamilyAttemptTimeout?: number;
  lookup: LookupFunction;
}

/**
 * {@link lookup} for the connections to one service of this machine. A connection that is refused at ::1
 * first takes a quarter of a millisecond longer (measured). So the address at which the service was found
 * goes first for a moment.
 */
export class ServiceLookup {
  #ipv4UntilMs = 0;

  readonly lookup: LookupFunction = (hostname, options, callback) => {
    if (options.all === true && isLocalhost(hostname) && performance.now() < this.#ipv4UntilMs) {
      process.nextTick(callback, null, [ipv4, ipv6]);
    } else lookup(hostname, options, callback);
  };

  /**
   * How connections are made to `hostname` within `timeoutMs`. Node gives up an address after 250 ms and
   * tries the next one, which is right over a network. On this machine such a delay means that the machine is
   * busy, because an address at which nothing listens refuses at once.
   */
  connectOptions(hostname: string, timeoutMs: number): ServiceConnectOptions {
    const own = { autoSelectFamily: true, lookup: this.lookup };
    return isLocalhost(hostname) ? { ...own, autoSelectFamilyAttemptTimeout: timeoutMs } : own;
  }

  /** A connection was made. */
  connected(socket: Socket): void {
    const nowMs = performance.now();
    if (socket.remoteFamily === "IPv4" && nowMs >= this.#ipv4UntilMs) this.#ipv4UntilMs = nowMs + foundMs;
  }
}
