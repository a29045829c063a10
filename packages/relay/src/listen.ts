import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { TunnelError } from "mcp-tunnel-protocol";

/**
 * Lets `server` listen and resolves with the address. `option` is the one that sets the port, for the message.
 * @throws TunnelError `invalid_option` when the port cannot be had.
 */
export async function listen(
  server: Server,
  host: string | undefined,
  port: number,
  option: string,
): Promise<{ host: string; port: number }> {
  server.listen({ port, ...(host === undefined ? {} : { host }) });
  try {
    await once(server, "listening");
  } catch (error) {
    throw listenError(error, host, port, option);
  }
  const address = server.address() as AddressInfo;
  return { host: address.address, port: address.port };
}

function listenError(error: unknown, host: string | undefined, port: number, option: string): TunnelError {
  const code = (error as NodeJS.ErrnoException).code;
  const where = host === undefined ? `port ${port}` : `${host}, port ${port}`;
  const why =
    code === "EADDRINUSE"
      ? `another program listens there; stop it or choose another ${option}`
      : code === "EACCES"
        ? `this user may not; choose a ${option} above 1023`
        : code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
          ? "this machine has no such address"
          : String(error);
  return new TunnelError("invalid_option", `cannot listen on ${where}: ${why}`, { cause: error });
}
