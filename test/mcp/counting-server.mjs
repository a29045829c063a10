// A server on stdio of both kinds of revisions, for tests. It says its process id on stderr.
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

console.error(`pid ${process.pid}`);

serveStdio(() => {
  const server = new McpServer({ name: "test", version: "1.0.0" });
  server.registerTool(
    "count",
    { description: "Counts up", inputSchema: z.object({ to: z.number() }) },
    async ({ to }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (let progress = 1; progressToken !== undefined && progress <= to; progress++) {
        await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress } });
      }
      return { content: [{ type: "text", text: String(to || process.env.ANSWER) }] };
    },
  );
  return server;
});
