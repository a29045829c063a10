import { fileURLToPath } from "node:url";
import { freePort, startChild } from "../child.js";
import { startNginxProxy } from "../nginx.js";
import { plainEndpoint, type System } from "./system.js";

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
