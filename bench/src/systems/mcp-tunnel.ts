import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, startChild, type Child } from "../child.js";
import { untilServing } from "../endpoint.js";
import type { System } from "./system.js";

/** The built command of a package of ours. */
export function command(packageName: "mcp-tunnel" | "mcp-tunnel-client"): string {
  return join(dirname(fileURLToPath(import.meta.resolve(packageName))), "cli", "main.js");
}

/** Flags of Node for both commands, for example `--cpu-prof`. */
const nodeFlags = (process.env["BENCH_NODE_FLAGS"] ?? "").split(" ").filter((flag) => flag !== "");

/** A relay as a user would start it: everything as shipped, open to all. */
export async function startRelay(
  folder: string,
  more: readonly string[] = [],
): Promise<{ port: number; child: Child }> {
  const port = await freePort();
  // Defaults but for the limits on bodies, which are lower than what some workloads send.
  const limits = ["--max-request-body", "64MiB", "--max-response-body", "4GiB"];
  const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", port, ...limits, ...more];
  const child = startChild("relay", process.execPath, [...nodeFlags, command("mcp-tunnel"), ...args], folder);
  // A Host that is no tunnel: whatever it answers, it listens.
  await untilServing({ port, host: "localhost", processes: [child] }, undefined);
  return { port, child };
}

export function startClient(
  relayPort: number,
  upstreamPort: number,
  subdomain: string,
  folder: string,
): Child {
  const args = [upstreamPort, "--relay", `http://127.0.0.1:${relayPort}`, "--subdomain", subdomain];
  return startChild(
    "client",
    process.execPath,
    [...nodeFlags, command("mcp-tunnel-client"), ...args],
    folder,
  );
}

/** The relay and the client of this repository, as built commands with their defaults. */
export const mcpTunnel: System = {
  name: "mcp-tunnel",
  programs: [],
  async start(upstreamPort, folder) {
    const relay = await startRelay(folder);
    const client = startClient(relay.port, upstreamPort, "bench", folder);
    return { port: relay.port, host: "bench.localhost", processes: [relay.child, client] };
  },
};
