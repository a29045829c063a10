// A small MCP server, built with the official SDK and served over streamable HTTP: three tools, one of them
// slow. Alone: `node mcp-server.mjs [port]` (default 3000).
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import {
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
} from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

/** @returns {import("@modelcontextprotocol/server").CallToolResult} */
function text(value) {
  return { content: [{ type: "text", text: String(value) }] };
}

export function createTools() {
  const server = new McpServer({ name: "mcp-tunnel-example", version: "1.0.0" });
  server.registerTool(
    "add",
    { description: "Adds two numbers", inputSchema: z.object({ a: z.number(), b: z.number() }) },
    ({ a, b }) => text(a + b),
  );
  server.registerTool(
    "echo",
    { description: "Says what it was told", inputSchema: z.object({ message: z.string() }) },
    ({ message }) => text(message),
  );
  server.registerTool(
    "slow_count",
    {
      description: "Counts up with a pause between the numbers, and reports its progress",
      inputSchema: z.object({
        to: z.number().int().min(1).max(1000).default(3),
        pauseMs: z.number().int().min(0).max(600_000).default(500),
      }),
    },
    async ({ to, pauseMs }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (let progress = 1; progress <= to; progress++) {
        await delay(pauseMs, undefined, { signal: mcpReq.signal });
        if (progressToken === undefined) continue;
        await mcpReq.notify({
          method: "notifications/progress",
          params: { progressToken, progress, total: to, message: `counted to ${progress}` },
        });
      }
      return text(`counted to ${to}`);
    },
  );
  return server;
}

/**
 * Serves MCP at /mcp on loopback.
 * @param {number} port 0 picks a free one
 * @returns {Promise<{ port: number, close: () => Promise<void> }>}
 */
export async function startMcpServer(port = 0) {
  // Answers the 2026 revision, where every request stands alone, and the revisions before it.
  const mcp = createMcpHandler(createTools);
  const handle = toNodeHandler(mcp);
  // The SDK's guards against DNS rebinding. The tunnel's client writes a Host that lets its requests pass
  // them.
  const hostIsLocal = localhostHostValidation();
  const originIsLocal = localhostOriginValidation();
  const server = createServer((req, res) => {
    if (req.url?.split("?")[0] !== "/mcp") {
      res.writeHead(404, { "content-type": "text/plain" }).end("This MCP server answers at /mcp.\n");
    } else if (hostIsLocal(req, res) && originIsLocal(req, res)) {
      void handle(req, res);
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    port: address.port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      await mcp.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const { port } = await startMcpServer(Number(process.argv[2] ?? 3000));
  console.log(`MCP server: http://127.0.0.1:${port}/mcp`);
}
