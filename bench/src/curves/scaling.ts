import { untilServing } from "../endpoint.js";
import { mcpTunnel } from "../systems/mcp-tunnel.js";
import { floor } from "../systems/references.js";
import { startSystem } from "../systems/system.js";
import { startUpstream } from "../upstreams/upstreams.js";
import { scaleBodies } from "./bodies.js";
import { scaleStreams } from "./streams.js";
import { scaleTunnels } from "./tunnels.js";

/** How cost grows with the number of tunnels, the streams in one tunnel, and the size of a body. */
export async function runScaling(folder: string): Promise<void> {
  const upstream = await startUpstream("static", folder);
  await scaleTunnels(upstream, folder);
  const systems = [];
  for (const system of [floor, mcpTunnel]) {
    const endpoint = await startSystem(system, "one", upstream.port, folder);
    await untilServing(endpoint, upstream.ready);
    systems.push({ name: system.name, endpoint });
  }
  await scaleStreams(systems, folder);
  await scaleBodies(systems);
  const children = [upstream.child, ...systems.flatMap(({ endpoint }) => endpoint.processes)];
  await Promise.all(children.map((child) => child.stop()));
}
