import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, startChild, type Child } from "../child.js";
import { untilServing } from "../endpoint.js";
import type { System } from "./system.js";

/** A checkout of this repository with its commands built. */
export interface Checkout {
  readonly relay: string;
  readonly client: string;
}

/** The one that this bench belongs to. */
export const here: Checkout = { relay: commandOf("mcp-tunnel"), client: commandOf("mcp-tunnel-client") };

function commandOf(packageName: string): string {
  return join(dirname(fileURLToPath(import.meta.resolve(packageName))), "cli", "main.js");
}

/** A relay as a user would start it: everything as shipped, open to all. */
export async function startRelay(folder: string, checkout = here): Promise<{ port: number; child: Child }> {
  const port = await freePort();
  // Defaults but for the limits on bodies, which are lower than what some workloads send.
  const limits = ["--max-request-body", "64MiB", "--max-response-body", "4GiB"];
  // Metrics are counted where somebody can ask for them.
  const admin = ["--admin-listen", "127.0.0.1:0"];
  const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", port, ...admin, ...limits];
  const child = startChild("relay", process.execPath, [checkout.relay, ...args], folder);
  // A Host that is no tunnel: whatever it answers, it listens.
  await untilServing({ port, host: "localhost", processes: [child] }, undefined);
  return { port, child };
}

/** A client that registers the name `bench`. */
export function startClient(relayPort: number, upstreamPort: number, folder: string, checkout = here): Child {
  const args = [upstreamPort, "--relay", `http://127.0.0.1:${relayPort}`, "--subdomain", "bench"];
  return startChild("client", process.execPath, [checkout.client, ...args], folder);
}

function tunnelSystem(name: string, checkout: Checkout): System {
  return {
    name,
    programs: [],
    async start(upstreamPort, folder) {
      const relay = await startRelay(folder, checkout);
      const client = startClient(relay.port, upstreamPort, folder, checkout);
      return { port: relay.port, host: "bench.localhost", processes: [relay.child, client] };
    },
  };
}

/** The relay and the client of this repository, as built commands with their defaults. */
export const mcpTunnel = tunnelSystem("mcp-tunnel", here);

/** The same of another checkout, so that a change can be measured against what was there before. */
export function tunnelOf(folder: string): System {
  const main = (name: string): string => join(folder, "packages", name, "dist", "cli", "main.js");
  return tunnelSystem("against", { relay: main("relay"), client: main("client") });
}
