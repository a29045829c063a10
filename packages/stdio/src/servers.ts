import type { CommandEntry } from "./config/entry.js";
import type { StdioEvent } from "./events.js";
import type { StdioOptions } from "./options.js";
import { nameAt, notFound } from "./paths.js";
import { createStdioServer } from "./server.js";

/** The limits of each server, and one listener for all. */
export interface McpServersOptions
  extends Omit<StdioOptions, "command" | "args" | "env" | "cwd" | "onEvent"> {
  /** Told of what the processes of the server `name` do and say. Default: nobody is told. */
  onEvent?: (name: string, event: StdioEvent) => void;
}

/** Several servers behind one handler. */
export interface McpServers {
  /** Answers for the server at `/<name>/mcp`, and with 404 for every other path. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** {@link StdioServer.drain} of all servers. */
  drain(): void;
  /** Ends all processes. */
  close(): Promise<void>;
}

/**
 * Serves each command of a config file at a path of its own. A server is started when it is first asked. If
 * it fails, it alone answers 503.
 *
 * @example
 * const entries = readMcpConfig(".mcp.json").filter((entry) => entry.kind === "command");
 * const servers = createMcpServers(entries);
 * const tunnel = await startTunnelClient({ fetch: servers.fetch, relayUrl: "https://tunnel.example.com" });
 * @throws TunnelError `invalid_option`.
 */
export function createMcpServers(
  entries: readonly CommandEntry[],
  { onEvent = () => {}, ...limits }: McpServersOptions = {},
): McpServers {
  const servers = new Map(
    entries.map(({ name, command, args, env, cwd }) => {
      const server = createStdioServer({
        ...limits,
        command,
        args,
        env,
        cwd,
        onEvent: (event) => onEvent(name, event),
      });
      return [name, server];
    }),
  );
  return {
    fetch: async (request) => {
      const name = nameAt(new URL(request.url).pathname);
      const server = name === undefined ? undefined : servers.get(name);
      return server === undefined ? notFound(request, "/<name>/mcp") : server.fetch(request);
    },
    drain: () => {
      for (const server of servers.values()) server.drain();
    },
    close: async () => {
      await Promise.all([...servers.values()].map((server) => server.close()));
    },
  };
}
