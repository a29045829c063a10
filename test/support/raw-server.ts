import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

/** A TCP server of which the test writes every byte: local services that answer garbage, or nothing. */
export interface RawServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts a server on a free port. `onConnection` owns each socket; errors are swallowed. */
export async function startRawServer(onConnection: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** Starts a server that answers the first bytes of each connection with `answer` and ends the connection. */
export function startCannedServer(answer: string | Buffer): Promise<RawServer> {
  return startRawServer((socket) => socket.once("data", () => socket.end(answer)));
}
