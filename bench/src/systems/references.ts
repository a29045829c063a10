import { fileURLToPath } from "node:url";
import { freePort, startChild } from "../child.js";
import { untilListening } from "../endpoint.js";
import { startNginxProxy } from "../nginx.js";
import { sharesOf } from "./shares.js";
import { plainEndpoint, tunnelHosts, type System } from "./system.js";

/** No proxy at all. */
export const direct: System = {
  name: "direct",
  programs: [],
  start: (upstreamPort) => Promise.resolve(plainEndpoint(upstreamPort, [])),
};

/** The system with which all others are compared. */
export const floor: System = {
  name: "floor",
  programs: [],
  async start(upstreamPort, folder) {
    const main = fileURLToPath(new URL("../floor-main.js", import.meta.url));
    const port = await freePort();
    return plainEndpoint(port, [startChild("floor", process.execPath, [main, upstreamPort, port], folder)]);
  },
};

export const nginx: System = {
  name: "nginx",
  programs: ["nginx"],
  async start(upstreamPort, folder) {
    const { port, child } = await startNginxProxy(upstreamPort, folder);
    return plainEndpoint(port, [child]);
  },
};

/**
 * The least that a relay in Node can do for many tunnels: bare/relay-main.ts. Its clients do less than any
 * tunnel's, so only the cost of the relay says something.
 */
export const bareNode: System = {
  name: "bare-node",
  programs: [],
  async startMany(_upstreamPort, folder, count) {
    const main = (name: string): string => fileURLToPath(new URL(`../bare/${name}.js`, import.meta.url));
    const [port, linkPort] = [await freePort(), await freePort()];
    const relay = startChild("relay", process.execPath, [main("relay-main"), port, linkPort], folder);
    await untilListening(linkPort, relay);
    const clients = sharesOf(count).map(({ first, count: held }) =>
      startChild("clients", process.execPath, [main("client-main"), linkPort, first, held], folder),
    );
    return { port, host: "t1.localhost", hosts: tunnelHosts(count), processes: [relay, ...clients] };
  },
};
