import { expect, it } from "vitest";
import { leads } from "../src/leads.js";
import type { WorkloadResult } from "../src/results.js";
import { workloads } from "../src/workloads/all.js";

function result(name: string, metric: string, systems: Record<string, readonly number[]>): WorkloadResult {
  const workload = workloads.find((candidate) => candidate.name === name);
  if (workload === undefined) throw new Error(`no workload ${name}`);
  const rounds = Object.entries(systems).map(
    ([system, values]) =>
      [system, values.map((value) => ({ values: { [metric]: value }, processes: [] }))] as const,
  );
  return { workload, rounds: new Map(rounds), errors: new Map() };
}

it("holds the tunnel against the best of the others in each row", () => {
  const rows = [
    result("get-64", "rps", { "mcp-tunnel": [30, 30], frp: [10, 10], piko: [20, 20], bore: [90, 90] }),
    result("first-event", "first", { "mcp-tunnel": [3, 3], frp: [2, 2] }),
    result("post-64", "rps", { "mcp-tunnel": [9, 11], frp: [10, 10] }),
    result("get-1", "rps", { "mcp-tunnel": [9, 11], floor: [10, 10] }),
  ];
  expect(
    leads(rows, "mcp-tunnel", ["frp", "piko"]).map((lead) => [lead.rival, lead.ratio.median, lead.verdict]),
  ).toEqual([
    ["piko", 1.5, "ahead"],
    ["frp", 2 / 3, "behind"],
    ["frp", 1, "even"],
  ]);
});
