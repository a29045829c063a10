import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** What can be made out of a request that Node has not read. Nothing is decided by it: it is for the client's screen. */
export interface GuessedHead {
  host: string;
  /** Empty when it is not known. */
  method: string;
  /** Empty when it is not known. */
  path: string;
}

/** How much of what came last is looked at, in bytes. */
const lookedAtBytes = 65_536;
const requestLine = /^([A-Z]{1,16}) (\/[^\s?#]{0,1000})/;
const hostField = /\r\nhost:[ \t]{0,8}([a-z0-9.:-]{1,255})\r\n/i;

/**
 * Guesses for whom a request was that Node has not read. `packet`: what came last over the connection, which is the
 * whole head unless it came in pieces. Behind TLS, the name that the visitor named in the handshake is good enough, but
 * not for what was asked: a proxy may use one connection for several names, and a tunnel hears of no other's requests.
 */
export function guessHead(packet: Buffer | undefined, socket: Socket): GuessedHead | undefined {
  const text = packet?.toString("latin1", 0, lookedAtBytes) ?? "";
  const host = hostField.exec(text)?.[1];
  if (host !== undefined) {
    const [, method = "", path = ""] = requestLine.exec(text) ?? [];
    return { host, method, path };
  }
  const { servername } = socket as Partial<TLSSocket>;
  return typeof servername === "string" ? { host: servername, method: "", path: "" } : undefined;
}
