import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A port of loopback that leads to another one, until it is cut. */
export interface Switchboard {
  readonly port: number;
  /** Cuts its connections. Its port is free afterwards. */
  cut(): Promise<void>;
}

/**
 * Stands where another relay will listen, so that a client connects to one relay and comes back to another.
 * What is measured afterwards goes to that relay itself, and not through a process more.
 */
export async function startSwitchboard(targetPort: number): Promise<Switchboard> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async cut() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
  };
}
