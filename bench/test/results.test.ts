import { describe, expect, it } from "vitest";
import type { Measurement } from "../src/measure.js";
import { differenceOf, failsGate, judge, judgeMode, ratioOf, type WorkloadResult } from "../src/results.js";
import { summarize } from "../src/stats.js";
import { workloads } from "../src/workloads/all.js";

function rounds(metric: string, values: readonly number[]): Measurement[] {
  return values.map((value) => ({ values: { [metric]: value }, processes: [] }));
}

function result(name: string, systems: Record<string, Measurement[]>): WorkloadResult {
  const workload = workloads.find((candidate) => candidate.name === name);
  if (workload === undefined) throw new Error(`no workload ${name}`);
  return { workload, rounds: new Map(Object.entries(systems)), errors: new Map() };
}

/** Requests per second with 64 connections: at least 0.78 of the floor, and 0.9 is the goal. */
function verdictOn(tunnel: readonly number[], floor: readonly number[]): string | undefined {
  const systems = { floor: rounds("rps", floor), "mcp-tunnel": rounds("rps", tunnel) };
  return judge([result("get-64", systems)], "mcp-tunnel")[0]?.verdict;
}

describe("what the bench concludes", () => {
  it("is the median, and half the distance of the quartiles", () => {
    expect(summarize([5, 1, 3, 2, 4])).toEqual({ median: 3, spread: 1 });
    expect(summarize([1, 2])).toEqual({ median: 1.5, spread: 0.25 });
    expect(() => summarize([])).toThrow(RangeError);
  });

  it("is a ratio within each round, so that a slow minute touches both sides of it", () => {
    const measured = result("get-64", {
      floor: rounds("rps", [1_000, 100, 10]),
      "mcp-tunnel": rounds("rps", [500, 50, 5]),
    });
    expect(ratioOf(measured, "mcp-tunnel", "rps")).toEqual({ median: 0.5, spread: 0 });
    expect(differenceOf(measured, "floor", "rps", "mcp-tunnel")?.median).toBe(50);
    expect(ratioOf(measured, "nginx", "rps")).toBeUndefined();
  });

  it("tells goal, limit, a miss, and what may be noise", () => {
    expect(verdictOn([96], [100])).toBe("goal");
    expect(verdictOn([80], [100])).toBe("limit");
    expect(verdictOn([70, 70, 70], [100, 100, 100])).toBe("missed");
    expect(verdictOn([50, 70, 90], [100, 100, 100])).toBe("unclear");
  });

  it("fails the gate for a miss, and where the limit is not met yet only for less than is known", () => {
    const fails = (workload: string, tunnel: number): boolean[] => {
      const systems = { floor: rounds("rps", [100]), "mcp-tunnel": rounds("rps", [tunnel]) };
      return judge([result(workload, systems)], "mcp-tunnel").map(failsGate);
    };
    expect(fails("get-64", 79)).toEqual([false]);
    expect(fails("get-64", 77)).toEqual([true]);
    expect(fails("get-1", 46)).toEqual([false]);
    expect(fails("get-1", 44)).toEqual([true]);
  });

  it("knows bounds that are not to be exceeded", () => {
    const systems = { floor: rounds("cpu", [100]), "mcp-tunnel": rounds("cpu", [160]) };
    const verdicts = judge([result("get-64", systems)], "mcp-tunnel");
    expect(verdicts.map(({ target, verdict }) => [target.metric, verdict])).toEqual([["cpu", "limit"]]);
  });

  it("is a ratio to another system, or to a neighbour in the same rounds", () => {
    const many = result("many-200", { frp: rounds("rps", [100, 10]), "mcp-tunnel": rounds("rps", [90, 9]) });
    const plain = result("plain-download-8", { "mcp-tunnel": rounds("rate", [100, 50]) });
    const secure = result("tls-download-8", { "mcp-tunnel": rounds("rate", [60, 30]) });
    const verdicts = judge([many, plain, secure], "mcp-tunnel");
    expect(verdicts.map(({ target, measured }) => [target.workload, measured.median])).toEqual([
      ["many-200", 0.9],
      ["tls-download-8", 0.6],
    ]);
    expect(judge([secure], "mcp-tunnel")).toEqual([]);
  });

  it("holds the measurements of other modes against their targets", () => {
    const verdicts = judgeMode("delay", { download: summarize([0.9]), upload: summarize([0.5]) });
    expect(verdicts.map(({ target, verdict }) => [target.metric, verdict])).toEqual([
      ["download", "goal"],
      ["upload", "missed"],
    ]);
  });
});
