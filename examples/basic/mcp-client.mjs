// Lists an MCP server's tools and calls two of them with the official SDK client:
// `node mcp-client.mjs http://demo.localhost:8080/mcp`
import { lookup } from "node:dns";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Agent, fetch } from "undici";

const url = process.argv[2];
if (url === undefined || !URL.canParse(url)) {
  console.error("usage: node mcp-client.mjs URL   (for example http://demo.localhost:8080/mcp)");
  process.exit(2);
}

// Browsers and curl take every name under .localhost as this machine (RFC 6761 section 6.3). Node asks a
// resolver that often does not.
const dispatcher = new Agent({
  connect: {
    lookup: (hostname, options, callback) =>
      lookup(hostname.endsWith(".localhost") ? "localhost" : hostname, options, callback),
  },
});

const client = new Client(
  { name: "mcp-tunnel-example-client", version: "1.0.0" },
  { versionNegotiation: { mode: "auto" } },
);
const transport = new StreamableHTTPClientTransport(new URL(url), {
  // The SDK types its `fetch` with the global Request and Response; undici's have the same shape.
  fetch: /** @type {any} */ ((input, init) => fetch(input, { ...init, dispatcher })),
});

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
  await dispatcher.close();
}

function textOf(result) {
  return result.content.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join("\n");
}
