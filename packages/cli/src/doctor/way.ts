import type { LookupAddress } from "node:dns";
import { lookup as systemLookup } from "node:dns/promises";
import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TLSSocket } from "node:tls";
import type { Pem } from "mcp-tunnel-client";
import { isLocalhost, portOf } from "mcp-tunnel-shared";

/** Where something listens. */
export interface Place {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

/** Certificates as PEM. */
type Ca = readonly Pem[];

export type Lookup = (host: string) => Promise<readonly LookupAddress[]>;

/** How long one address may take to accept a connection, in milliseconds. */
export const connectLimitMs = 4_000;

/**
 * Looks names up as the system does, except names of this machine. Those are its loopback addresses, whatever
 * a resolver says (RFC 6761 section 6.3), and no resolver need know the names below `localhost`.
 */
export async function lookup(host: string): Promise<readonly LookupAddress[]> {
  if (!isLocalhost(host)) return systemLookup(host, { all: true });
  return [
    { address: "::1", family: 6 },
    { address: "127.0.0.1", family: 4 },
  ];
}

/** The place of an http, https, ws or wss URL. */
export function placeOf(url: URL): Place {
  const isSecure = url.protocol === "https:" || url.protocol === "wss:";
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port: portOf(url), isSecure };
}

/** `host:port`, with IPv6 in brackets. */
export function placeText({ host, port }: Pick<Place, "host" | "port">): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The proxy gave another answer to CONNECT than a connection. */
export class ProxyRefusal extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(`the proxy answered ${`${status} ${reason}`.trim()}`);
    this.status = status;
  }
}

/**
 * Makes connections as the client does: by a proxy if there is one, otherwise to the first address that
 * answers.
 */
export class Way {
  readonly proxy: URL | undefined;
  /** The certificates that are believed. Default: those of the authorities that Node knows. */
  readonly #ca: Ca | undefined;
  readonly #lookup: Lookup;
  readonly #addresses = new Map<string, Promise<readonly LookupAddress[]>>();

  constructor(proxy: URL | undefined, findAddresses: Lookup = lookup, ca?: Ca) {
    this.proxy = proxy;
    this.#lookup = findAddresses;
    this.#ca = ca;
  }

  /** The same way without a proxy. */
  get direct(): Way {
    return this.proxy === undefined ? this : new Way(undefined, this.#lookup, this.#ca);
  }

  /** The addresses of a host. Each host is looked up once. */
  addressesOf(host: string): Promise<readonly LookupAddress[]> {
    const family = isIP(host);
    if (family !== 0) return Promise.resolve([{ address: host, family }]);
    const known = this.#addresses.get(host) ?? this.#lookup(host);
    this.#addresses.set(host, known);
    return known;
  }

  /** A connection to a place, without TLS. */
  async connect(place: Place, signal: AbortSignal): Promise<Socket> {
    if (this.proxy !== undefined) return connectByProxy(this.proxy, place, signal);
    const failures: unknown[] = [];
    for (const { address } of await this.addressesOf(place.host)) {
      try {
        return await connectTo(address, place.port, signal);
      } catch (error) {
        failures.push(error);
      }
    }
    throw failures.length === 1 ? failures[0] : new AggregateError(failures);
  }

  /** A connection to a place, with TLS if the place has it. The certificate has to be good. */
  async open(place: Place, signal: AbortSignal): Promise<Socket> {
    const socket = await this.connect(place, signal);
    return place.isSecure ? this.secure(socket, place.host, true, signal) : socket;
  }

  /** Begins TLS on a connection. `mustBeGood`: rejects a certificate that the client would not take. */
  secure(socket: Socket, host: string, mustBeGood: boolean, signal: AbortSignal): Promise<TLSSocket> {
    return withTls(socket, host, { mustBeGood, ca: this.#ca }, signal);
  }
}

/** A TCP connection to an address. */
export function connectTo(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host: address, port });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(connectLimitMs)]);
  return settled(socket, limit, (resolve) => socket.once("connect", () => resolve(socket)));
}

function withTls(
  socket: Socket,
  host: string,
  { mustBeGood, ca }: { mustBeGood: boolean; ca: Ca | undefined },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const name = isIP(host) === 0 ? { servername: host } : {};
  const believed = ca === undefined ? {} : { ca: [...ca] };
  const secured = connectTls({ socket, host, ...name, ...believed, rejectUnauthorized: mustBeGood });
  return settled(secured, signal, (resolve) => secured.once("secureConnect", () => resolve(secured)));
}

/** Whether a place where no TLS is expected has it all the same. */
export async function speaksTls(way: Way, place: Place, signal: AbortSignal): Promise<boolean> {
  try {
    (await way.secure(await way.connect(place, signal), place.host, false, signal)).destroy();
    return true;
  } catch {
    return false;
  }
}

function connectByProxy(proxy: URL, place: Place, signal: AbortSignal): Promise<Socket> {
  const send = proxy.protocol === "https:" ? httpsRequest : httpRequest;
  const target = placeText(place);
  const { username, password } = proxy;
  const userinfo = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const request = send({
    host: placeOf(proxy).host,
    port: placeOf(proxy).port,
    method: "CONNECT",
    path: target,
    headers: {
      host: target,
      ...(username === ""
        ? {}
        : { "proxy-authorization": `Basic ${Buffer.from(userinfo).toString("base64")}` }),
    },
    agent: false,
  });
  return settled(request, signal, (resolve, reject) => {
    request.once("connect", ({ statusCode = 0, statusMessage = "" }, socket: Socket) => {
      if (statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new ProxyRefusal(statusCode, statusMessage));
      }
    });
    request.once("response", (response: IncomingMessage) => {
      reject(new ProxyRefusal(response.statusCode ?? 0, response.statusMessage ?? ""));
    });
    request.end();
  });
}

/** Waits for a connection. If it fails, or `signal` comes first, it is destroyed. */
function settled<T>(
  opening: Socket | ClientRequest,
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => fail(new Error("no answer in time"));
    const fail = (error: Error): void => {
      signal.removeEventListener("abort", onAbort);
      opening.destroy();
      reject(error);
    };
    opening.on("error", fail);
    signal.addEventListener("abort", onAbort, { once: true });
    begin((value) => {
      signal.removeEventListener("abort", onAbort);
      resolve(value);
    }, fail);
    if (signal.aborted) onAbort();
  });
}
