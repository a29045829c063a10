import { callFor, type Era, withClient } from "../load/tools.js";
import { median, quantile } from "../stats.js";
import type { Workload } from "../workload.js";

/** Systems that pass the public Host on are missing: the server refuses it, against DNS rebinding. */
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
  usual: ["floor", "direct", "frp"],
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
  onlyByName: true,
  run: callOneByOne("legacy"),
};

function callOneByOne(era: Era): Workload["run"] {
  return (endpoint, { seconds, measured }) =>
    withClient(endpoint, era, async (client) => {
      const delays = await measured(() => callFor(client, seconds));
      const sorted = delays.toSorted((a, b) => a - b);
      return {
        values: { p50: median(delays), p99: quantile(sorted, 0.99) },
        operations: delays.length,
      };
    });
}
