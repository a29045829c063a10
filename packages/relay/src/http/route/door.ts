import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ProxyTrust, trustedProxies } from "../../forwarded/forwarded.js";
import type { ExchangeOptions } from "../exchange/context.js";
import { type HostResult, parseHost, parseLocalHost } from "./host.js";

/**
 * Takes over a client's connection to make a tunnel of it. `isAtDomain`: the client has come to the relay's
 * own domain, and not to the name of a tunnel or to another one.
 */
export type Register = (req: IncomingMessage, socket: Duplex, head: Buffer, isAtDomain: boolean) => void;

/** What differs between the listeners by which visitors come. */
export interface Door {
  /** The destination of a request. `target` is the request target as received. */
  destination(rawHeaders: readonly string[], target: string): HostResult;
  /** Undefined where visitors come, and no clients. */
  readonly register: Register | undefined;
  /** Whose word about visitors is believed. */
  readonly trust: ProxyTrust;
}

/** The listener for all tunnels. */
export function frontDoor(options: ExchangeOptions, register: Register): Door {
  return {
    destination: (rawHeaders, target) => parseHost(rawHeaders, target, options.domain),
    register,
    trust: options,
  };
}

/**
 * The listener of the tunnel `name` alone, on loopback. Nobody is a proxy there. The proxy of the front may
 * have an address of this machine as well, but then so have all visitors of this listener.
 */
export function localDoor(name: string, { trustedProxyHeaders }: ExchangeOptions): Door {
  return {
    destination: (rawHeaders, target) => parseLocalHost(rawHeaders, target, name),
    register: undefined,
    trust: { trustedProxies: trustedProxies([]), trustedProxyHeaders },
  };
}
