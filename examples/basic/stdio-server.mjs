// The tools of mcp-server.mjs over stdin and stdout, as most MCP servers speak.
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { createTools } from "./mcp-server.mjs";

serveStdio(createTools);
