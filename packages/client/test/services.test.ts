import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createService } from "../src/create-service.js";
import type { Service } from "../src/service/service.js";
import { nodeApp, nodeServer, webApp } from "./contract-app.js";
import { serviceContract } from "./service-contract.js";

const everything = { upgrades: true, interim: true, trailers: true };

async function nothing(): Promise<void> {}

serviceContract(
  "a service behind a port",
  async (seen) => {
    const server = nodeServer(seen);
    const sockets = new Set<Socket>();
    server.on("connection", (socket) => sockets.add(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      options: { port: (server.address() as AddressInfo).port },
      async close() {
        server.close();
        for (const socket of sockets) socket.destroy();
        await once(server, "close");
      },
    };
  },
  everything,
);

serviceContract(
  "a server that does not listen",
  async (seen) => ({ options: { server: nodeServer(seen) }, close: nothing }),
  everything,
);

serviceContract(
  "a request handler in Node's form",
  async (seen) => ({ options: { handler: nodeApp(seen) }, close: nothing }),
  { ...everything, upgrades: false },
);

serviceContract(
  "a request handler in the web's form",
  async (seen) => ({ options: { fetch: webApp(seen) }, close: nothing }),
  { upgrades: false, interim: false, trailers: false },
);

/** A wrapper like a gate or an inspector: everything passes through its hands. */
function wrapped(inner: Service): Service {
  return {
    accept: (stream, head, end, tunnel) => inner.accept(stream, head, end, tunnel),
    get open() {
      return inner.open;
    },
    close: () => inner.close(),
  };
}

serviceContract(
  "a service around another",
  async (seen) => ({
    options: { service: wrapped(createService({ server: nodeServer(seen) })) },
    close: nothing,
  }),
  everything,
);
