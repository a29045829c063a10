import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { isInitializeRequest } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { RunningCommand } from "../support/commands.js";

/** An MCP server at `/mcp` of a local port, with the tools `add`, `echo` and `slow_count`. */
export interface LocalMcpServer {
  readonly port: number;
  close(): Promise<unknown>;
}

/** The example's server, built with SDK v2, as a process of its own. */
export async function startV2Server(): Promise<LocalMcpServer> {
  const file = fileURLToPath(new URL("../../examples/basic/mcp-server.mjs", import.meta.url));
  const command = new RunningCommand(process.execPath, [file, "0"]);
  const url = await command.waitFor("URL", () => /http:\S+/.exec(command.stdout[0] ?? "")?.[0]);
  return { port: Number(new URL(url).port), close: () => command.close() };
}

type TransportOptions = NonNullable<ConstructorParameters<typeof StreamableHTTPServerTransport>[0]>;

/** A server of SDK v1: `McpServer` and the low-level `Server` both fit. */
interface V1Server {
  connect(transport: StreamableHTTPServerTransport): Promise<void>;
}

/**
 * A server built with SDK v1 as its documentation shows: with sessions, and a transport for each session.
 * `create` makes the server of a session, `options` gives the options of its transport. `fields` stand in
 * each answer.
 */
export async function startV1Server(
  create: () => V1Server = createTools,
  options: (port: number) => Partial<TransportOptions> = () => ({}),
  fields: Readonly<Record<string, string>> = {},
): Promise<LocalMcpServer> {
  const transports = new Map<string, StreamableHTTPServerTransport>();

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(fields)) res.setHeader(name, value);
    const sessionId = req.headers["mcp-session-id"];
    const known = typeof sessionId === "string" ? transports.get(sessionId) : undefined;
    if (known !== undefined) return known.handleRequest(req, res);
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const body: unknown = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
    if (!isInitializeRequest(body)) {
      res.writeHead(sessionId === undefined ? 400 : 404).end();
      return;
    }
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
      ...options(port),
    });
    await create().connect(transport);
    await transport.handleRequest(req, res, body);
  }

  const server = createServer((req, res) => void handle(req, res).catch(() => res.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async close() {
      server.close();
      for (const transport of transports.values()) await transport.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function text(value: unknown): { content: { type: "text"; text: string }[] } {
  return { content: [{ type: "text", text: String(value) }] };
}

export function createTools(): McpServer {
  const server = new McpServer({ name: "v1", version: "1.0.0" });
  server.registerTool("add", { inputSchema: { a: z.number(), b: z.number() } }, ({ a, b }) => text(a + b));
  server.registerTool("echo", { inputSchema: { message: z.string() } }, ({ message }) => text(message));
  server.registerTool(
    "slow_count",
    { inputSchema: { to: z.number(), pauseMs: z.number() } },
    // oxlint-disable-next-line no-underscore-dangle -- the field's name in MCP
    async ({ to, pauseMs }, { _meta, sendNotification, signal }) => {
      for (let progress = 1; progress <= to; progress++) {
        await delay(pauseMs, undefined, { signal });
        if (_meta?.progressToken === undefined) continue;
        await sendNotification({
          method: "notifications/progress",
          params: { progressToken: _meta.progressToken, progress, total: to },
        });
      }
      return text(`counted to ${to}`);
    },
  );
  return server;
}
