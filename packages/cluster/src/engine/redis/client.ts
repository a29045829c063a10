import { isIP } from "node:net";
import type { createClient } from "@redis/client";
import { TunnelError } from "mcp-tunnel-protocol";
import { nameOf } from "./options.js";
import type { RedisPlace, Server } from "./options.js";
import { within } from "./within.js";

/** One connection to one server. It does not connect again. */
export type Client = ReturnType<typeof createClient>;

/** Loads the library, which a relay without Redis does without. It takes some tenths of a second. */
export async function loadLibrary() {
  return import("@redis/client");
}

interface Login {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

/**
 * Connects to one server, within `ms` milliseconds. `onEnd` is called if the connection breaks later.
 * @throws What the client of Redis throws, or TunnelError `unavailable`.
 */
export async function connectTo(
  server: Server,
  { isTls, ca }: Pick<RedisPlace, "isTls" | "ca">,
  { user, password, database }: Login,
  ms: number,
  onEnd: (client: Client, cause: unknown) => void,
): Promise<Client> {
  const library = await loadLibrary();
  const { host, port } = server;
  const common = { host, port, connectTimeout: ms, reconnectStrategy: false as const };
  const client: Client = library.createClient({
    socket: isTls ? { ...common, tls: true, ...named(host), ...(ca === undefined ? {} : { ca }) } : common,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    database,
    name: "mcp-tunnel",
    // Commands would wait in it for a server that is gone, and be sent when nobody wants their answer.
    disableOfflineQueue: true,
    // The engine bounds each call itself; the library would start a second timer for each.
    commandOptions: { timeout: 0 },
    maintNotifications: "disabled",
    disableClientInfo: true,
  });
  let isConnected = false;
  // The library throws errors that nobody listens for. Before it is connected, connect() rejects with them.
  client.on("error", (error: unknown) => {
    if (isConnected) onEnd(client, error);
  });
  try {
    await within(client.connect(), ms, () => slow(server, isTls, ms));
    isConnected = true;
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** Hosted servers are told apart by SNI, which takes no addresses. Node.js sends none of its own accord. */
function named(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

/** A server without TLS says nothing to a handshake of TLS. */
function slow(server: Server, isTls: boolean, ms: number): TunnelError {
  const toDo = isTls ? "; if it has no TLS, --cluster begins with redis://" : "";
  return new TunnelError("unavailable", `Redis at ${nameOf(server)} did not answer within ${ms} ms${toDo}`);
}
