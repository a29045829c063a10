import { lookup as systemLookup } from "node:dns";
import type { LookupAddress } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import { isLocalhost } from "mcp-tunnel-shared";

const ipv6: LookupAddress = { address: "::1", family: 6 };
const ipv4: LookupAddress = { address: "127.0.0.1", family: 4 };
/** In the order in which browsers and curl try them. A service often listens on one of them only. */
const loopback: LookupAddress[] = [ipv6, ipv4];

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

/**
 * How long 127.0.0.1 is tried before ::1 once the service was found there, in milliseconds. Not longer, nor for as long as
 * connections succeed: a service that was away for a moment may be back at ::1, and another program be at 127.0.0.1.
 */
const foundMs = 1_000;

/** What `net.connect` and `tls.connect` take of it. */
interface ServiceConnectOptions {
  autoSelectFamily: boolean;
  autoSelectFamilyAttemptTimeout?: number;
  lookup: LookupFunction;
}

/**
 * {@link lookup} for the connections to one service of this machine. To be refused at ::1 first takes each of them a quarter of a
 * millisecond (measured), so the address at which the service was found goes first for a moment.
 */
export class ServiceLookup {
  #ipv4UntilMs = 0;

  readonly lookup: LookupFunction = (hostname, options, callback) => {
    if (options.all === true && isLocalhost(hostname) && performance.now() < this.#ipv4UntilMs) {
      process.nextTick(callback, null, [ipv4, ipv6]);
    } else lookup(hostname, options, callback);
  };

  /**
   * How connections are made to `hostname` within `timeoutMs`. Node gives an address up after 250 ms for the next one, as is right
   * over a network. On this machine that is a busy moment: nobody is at the other address, and it refuses at once if so.
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
