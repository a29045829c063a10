import { fileURLToPath } from "node:url";
import { freePort, startChild, type Child } from "../child.js";
import { untilServing, type Probe } from "../endpoint.js";
import { smallPath, startStaticUpstream } from "./static.js";

/** The services behind the proxies. */
export interface Upstreams {
  /** nginx with static answers and a sink for bodies. */
  static: Upstream;
  /** Event streams and a WebSocket echo, in Node. */
  live: Upstream;
  /** The example MCP server, built with the official SDK. */
  mcp: Upstream;
}

export interface Upstream {
  readonly port: number;
  /** A request that shows that the way to the upstream is open. */
  readonly ready: Probe;
  readonly child: Child;
}

const starters: Record<keyof Upstreams, (folder: string) => Promise<Upstream>> = {
  async static(folder) {
    return { ...(await startStaticUpstream(folder)), ready: { path: smallPath, status: 200 } };
  },
  async live(folder) {
    const main = fileURLToPath(new URL("live-main.js", import.meta.url));
    const port = await freePort();
    const child = startChild("live", process.execPath, [main, port], folder);
    return { port, child, ready: { path: "/ready", status: 200 } };
  },
  async mcp(folder) {
    const main = fileURLToPath(import.meta.resolve("mcp-tunnel-example-basic/mcp-server.mjs"));
    const port = await freePort();
    const child = startChild("mcp", process.execPath, [main, port], folder);
    // The server takes POST alone, and answers so.
    return { port, child, ready: { path: "/mcp", status: 405 } };
  },
};

/** Starts an upstream and waits until it serves. */
export async function startUpstream(kind: keyof Upstreams, folder: string): Promise<Upstream> {
  const upstream = await starters[kind](folder);
  const direct = { port: upstream.port, host: `127.0.0.1:${upstream.port}`, processes: [upstream.child] };
  await untilServing(direct, upstream.ready);
  return upstream;
}
