// Lists an MCP server's tools and calls two of them with the official SDK client:
// `node mcp-client.mjs http://localhost:4001/mcp`. Node does not resolve names below localhost, so a tunnel
// of a relay on this machine is reached at its --local-port.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const url = process.argv[2];
if (url === undefined || !URL.canParse(url)) {
  console.error("usage: node mcp-client.mjs URL   (for example http://localhost:4001/mcp)");
  process.exit(2);
}

const client = new Client(
  { name: "mcp-tunnel-example-client", version: "1.0.0" },
  { versionNegotiation: { mode: "auto" } },
);
const transport = new StreamableHTTPClientTransport(new URL(url));

try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  for (const tool of tools) console.log(`tool ${tool.name}: ${tool.description}`);

  const sum = await client.callTool({ name: "add", arguments: { a: 2, b: 3 } });
  console.log(`add 2 and 3: ${textOf(sum)}`);

  const count = await client.callTool(
    { name: "slow_count", arguments: { to: 3, pauseMs: 300 } },
    { onprogress: ({ progress, total }) => console.log(`progress: ${progress} of ${total}`) },
  );
  console.log(`slow_count: ${textOf(count)}`);
} catch (error) {
  console.error(`${url} does not answer as an MCP server:`, error);
  process.exitCode = 1;
} finally {
  await client.close();
}

function textOf(result) {
  return result.content.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join("\n");
}
