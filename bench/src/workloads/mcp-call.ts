import { lookup } from "node:dns";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Agent, fetch } from "undici";
import { median, quantile } from "../stats.js";
import type { Workload } from "../workload.js";

const common = {
  upstream: "mcp",
  systems: [
    "direct",
    "floor",
    "nginx",
    "mcp-tunnel",
    "mcp-tunnel-stdio",
    "mcp-tunnel-inspect",
    "against",
    "frp",
  ],
  operation: "call",
  metrics: { p50: { unit: "ms", better: "lower" }, p99: { unit: "ms", better: "lower" } },
} as const;

/** Calls of a tool, one after the other, with the official SDK at both ends. */
export const mcpCall: Workload = {
  ...common,
  name: "mcp-call",
  title: "MCP tool call, official SDK, one after the other",
  quick: true,
  run: callOneByOne("auto"),
};

/** The same in the revisions before 2026-07-28, which begin with `initialize`. */
export const mcpCallLegacy: Workload = {
  ...common,
  name: "mcp-call-legacy",
  title: "the same in revision 2025-11-25",
  run: callOneByOne("legacy"),
};

function callOneByOne(mode: "auto" | "legacy"): Workload["run"] {
  return async (endpoint, { seconds, measured }) => {
    const host = endpoint.host.split(":")[0];
    const dispatcher = new Agent({
      // Node asks a resolver that may not know names under .localhost (RFC 6761 section 6.3).
      connect: { lookup: (_hostname, options, callback) => lookup("127.0.0.1", options, callback) },
    });
    const client = new Client({ name: "bench", version: "1.0.0" }, { versionNegotiation: { mode } });
    const transport = new StreamableHTTPClientTransport(new URL(`http://${host}:${endpoint.port}/mcp`), {
      // The SDK types its `fetch` with the global Request and Response; undici's have the same shape.
      fetch: ((input: string, init: object) => fetch(input, { ...init, dispatcher })) as never,
    });
    try {
      await client.connect(transport);
      const delays: number[] = [];
      await measured(async () => {
        const deadline = performance.now() + seconds * 1_000;
        while (performance.now() < deadline) {
          const startedAt = performance.now();
          await client.callTool({ name: "echo", arguments: { message: "hello" } });
          delays.push(performance.now() - startedAt);
        }
      });
      const sorted = delays.toSorted((a, b) => a - b);
      return {
        values: { p50: median(delays), p99: quantile(sorted, 0.99) },
        operations: delays.length,
      };
    } finally {
      await client.close();
      await dispatcher.close();
    }
  };
}
