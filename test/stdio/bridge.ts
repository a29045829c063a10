import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runClient, startRelayCommand } from "../support/commands.js";
import { scratchFolder, type StdioServer } from "./servers.js";

/** The client command with servers behind it, and a relay. */
export interface Bridge {
  urlOf(server: string): string;
  close(): Promise<void>;
}

/** Serves what an `mcpServers` file names, each at `/<name>/mcp`. `env` is set for the client. */
export async function startConfigured(
  servers: readonly StdioServer[],
  env: NodeJS.ProcessEnv = {},
): Promise<Bridge> {
  const folder = scratchFolder();
  const file = join(folder.path, "mcp.json");
  const mcpServers = Object.fromEntries(servers.map(({ name, ...server }) => [name, server]));
  await writeFile(file, JSON.stringify({ mcpServers }));
  const bridge = await start(["--mcp-config", file], [], env);
  return {
    urlOf: (server) => `${bridge.origin}/${server}/mcp`,
    async close() {
      await bridge.close();
      // It was the servers' working directory.
      folder.close();
    },
  };
}

/** Serves one server at `/mcp`. */
export async function startOne({ command, args }: StdioServer): Promise<Bridge> {
  const bridge = await start(["--stdio"], ["--", command, ...args]);
  return { urlOf: () => `${bridge.origin}/mcp`, close: bridge.close };
}

async function start(
  before: readonly string[],
  after: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly origin: string; close(): Promise<void> }> {
  const relay = await startRelayCommand();
  const tunnel = ["--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "mcp", "--json"];
  const client = runClient([...before, "--visitor-auth", "none", ...tunnel, ...after], env);
  const close = async (): Promise<void> => {
    await client.close();
    await relay.close();
  };
  try {
    const { url } = await client.waitForJson({ event: "connected" });
    return { origin: new URL(url as string).origin, close };
  } catch (error) {
    await close();
    throw error;
  }
}
