import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/**
 * A guess at a request that Node has not read. It is for the client's screen only: nothing is decided by it.
 */
export interface GuessedHead {
  host: string;
  /** Empty when it is not known. */
  method: string;
  /** Empty when it is not known. */
  path: string;
}

/** How many bytes of the last packet are looked at. */
const lookedAtBytes = 65_536;
const requestLine = /^([A-Z]{1,16}) (\/[^\s?#]{0,1000})/;
const hostField = /\r\nhost:[ \t]{0,8}([a-z0-9.:-]{1,255})\r\n/i;

/**
 * Guesses for which host a request was that Node has not read. `packet`: the last bytes that came over the
 * connection, which are the whole head unless it came in pieces. If they show no host, the name that the
 * visitor gave in the TLS handshake does. Method and path are left out then: a proxy may use one connection
 * for several names, and a tunnel must not hear of another's requests.
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
