import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { TunnelError } from "mcp-tunnel-protocol";

/** Where to listen: at a chosen address, or on a socket that was open when the process started. */
export type ListenPlace = { host: string | undefined; port: number } | { fd: number };

type PortKind = "port" | "redirect port" | "admin port" | "local port" | "peer port";

/**
 * Connections that may wait to be accepted. The system may allow fewer. After a restart a thousand clients
 * and their visitors come within a moment. With Node's default of 511 the rest would have to try again, after
 * one second, then three, then seven.
 */
const backlog = 4_096;

/**
 * Makes `server` listen. Resolves with its address. `what` is the kind of port, for errors.
 * @throws TunnelError `unavailable` when the port is not available; `invalid_option` when the file is no
 * socket to listen on.
 */
export async function listen(
  server: Server,
  place: ListenPlace,
  what: PortKind,
): Promise<{ host: string; port: number }> {
  if ("fd" in place) return listenOn(server, place.fd);
  const { host, port } = place;
  server.listen({ port, backlog, ...(host === undefined ? {} : { host }) });
  try {
    await once(server, "listening");
  } catch (error) {
    throw listenError(error, host, port, what);
  }
  const address = server.address() as AddressInfo;
  return { host: address.address, port: address.port };
}

async function listenOn(server: Server, fd: number): Promise<{ host: string; port: number }> {
  const unusable = (why: string, details?: ErrorOptions): TunnelError =>
    new TunnelError("invalid_option", `file ${fd} is not a TCP socket to listen on: ${why}`, details);
  server.listen({ fd, backlog });
  try {
    await once(server, "listening");
  } catch (error) {
    throw unusable(String(error), { cause: error });
  }
  const address = server.address();
  if (typeof address === "object" && address !== null) return { host: address.address, port: address.port };
  server.close();
  throw unusable("it has no address and port");
}

function listenError(error: unknown, host: string | undefined, port: number, what: string): TunnelError {
  const code = (error as NodeJS.ErrnoException).code;
  const where = host === undefined ? `port ${port}` : `${host}, port ${port}`;
  const why =
    code === "EADDRINUSE"
      ? `another program listens there; stop it or choose another ${what}`
      : code === "EACCES"
        ? `this user may not; choose a ${what} above 1023`
        : code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
          ? "this machine has no such address"
          : String(error);
  return new TunnelError("unavailable", `cannot listen on ${where}: ${why}`, { cause: error });
}
