// A server of the MCP SDK 2 on stdio, as its documentation shows one.
import { setTimeout as delay } from "node:timers/promises";
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

serveStdio(() => {
  const server = new McpServer(
    { name: "sdk-2", version: "1.0.0" },
    { capabilities: { tools: { listChanged: true }, logging: {} } },
  );
  server.registerTool(
    "count",
    { description: "Counts, with progress", inputSchema: z.object({ to: z.number(), label: z.string() }) },
    async ({ to, label }, { mcpReq }) => {
      const token = mcpReq._meta?.progressToken;
      for (let progress = 1; progress <= to; progress++) {
        const params = { progressToken: token, progress, message: label };
        await mcpReq.notify({ method: "notifications/progress", params });
        await delay(1);
      }
      return { content: [{ type: "text", text: label }] };
    },
  );
  server.registerTool("grow", { description: "Registers a tool" }, () => {
    server.registerTool("grown", { description: "Was registered" }, () => ({ content: [] }));
    return { content: [] };
  });
  server.registerTool("wait", { description: "Waits until it is cancelled" }, async (context) => {
    const { signal } = context.mcpReq;
    process.stderr.write("waiting\n");
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve);
    });
    process.stderr.write("cancelled\n");
    return { content: [] };
  });
  server.registerTool("exit", { description: "Ends the process" }, () => process.exit(3));
  return server;
});
