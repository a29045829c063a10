import type { IncomingMessage } from "node:http";
import { plainAddress } from "mcp-tunnel-shared";
import { authorityOf } from "mcp-tunnel-shared/page";
import { type AdminHost, parseAdminHost } from "./admin-options.js";

/** The names by which browsers may reach the listener, and the origins that pages there have. */
export class OwnHosts {
  readonly #hosts: readonly AdminHost[];

  /**
   * `hosts`: what the operator has named.
   * @throws TunnelError `invalid_option`
   */
  constructor(hosts: readonly string[]) {
    this.#hosts = hosts.map(parseAdminHost);
  }

  /**
   * The page's own origins for a request that names its Host; none if that is not a name of the listener. A
   * proxy that the operator has named may speak https to browsers.
   */
  originsOf(req: IncomingMessage): readonly string[] {
    const host = req.headers.host?.toLowerCase();
    if (host === undefined) return [];
    if (host === addressOf(req)) return [`http://${host}`];
    return this.isNamed(req) ? [`https://${host}`, `http://${host}`] : [];
  }

  /** Whether the operator has named the Host of the request. */
  isNamed({ headers, socket }: IncomingMessage): boolean {
    const host = headers.host?.toLowerCase();
    return this.#hosts.some(({ name, port }) =>
      port === undefined
        ? host === name || host === `${name}:${socket.localPort}`
        : host === `${name}:${port}` || (usualPorts.has(port) && host === name),
    );
  }
}

/** Browsers leave them out. */
const usualPorts = new Set([80, 443]);

/**
 * The address at which a request has come, as its Host has it. Of a listener at all addresses each is one. A
 * name that was made to point here (DNS rebinding) is no address.
 */
export function addressOf({ socket }: IncomingMessage): string | undefined {
  const { localAddress, localPort } = socket;
  // They are gone with the connection.
  if (localAddress === undefined || localPort === undefined) return undefined;
  // The zone of a link-local address is this machine's own affair (RFC 6874).
  const [address = ""] = localAddress.split("%", 1);
  return authorityOf(plainAddress(address), localPort);
}
