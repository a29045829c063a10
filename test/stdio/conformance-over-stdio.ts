import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { createConformanceServer } from "../mcp/conformance-server.js";

await createConformanceServer().connect(new StdioServerTransport());
