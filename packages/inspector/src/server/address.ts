import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { isLoopbackAddress } from "mcp-tunnel-shared";

/**
 * The address of this machine that `host` means. A name other than `localhost` means what some resolver says,
 * and is refused, as is an address that other machines can reach.
 * @throws TunnelError `invalid_option`
 */
export function loopbackAddress(host: string): string {
  if (host.toLowerCase() === "localhost") return "127.0.0.1";
  if (isLoopbackAddress(host)) return host.replace(/^\[(.*)\]$/, "$1");
  throw unusable(
    "the inspector's host has to be an address of this machine alone: 127.0.0.1, ::1 or localhost",
    { options: ["host"] },
  );
}

/**
 * Makes `server` listen, and gives its port.
 * @throws TunnelError `unavailable`
 */
export async function listenAt(server: Server, host: string, port: number): Promise<number> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    throw new TunnelError(
      "unavailable",
      `the inspector cannot listen on ${host}, port ${port}: ${why(error)}`,
      {
        cause: error,
      },
    );
  }
  return (server.address() as AddressInfo).port;
}

/** `platform`: for tests. */
export function why(error: unknown, platform: NodeJS.Platform = process.platform): string {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case "EADDRINUSE":
      return "another program listens there; choose another port, or 0 for any that is free";
    case "EACCES":
      // Hyper-V, WSL and Docker keep ranges of ports from others, other ones after each start of the machine.
      if (platform === "win32") {
        return (
          "Windows keeps it from programs, see 'netsh int ipv4 show excludedportrange tcp'; choose another " +
          "port, or 0 for any that is free"
        );
      }
      return "this user may not; choose a port above 1023";
    case "EADDRNOTAVAIL":
      return "this machine has no such address; choose 127.0.0.1";
    default:
      return String(error);
  }
}
