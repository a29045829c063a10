import { describe, expect, it } from "vitest";
import { chooseSystems, chooseWorkloads, grouped, takersOf } from "../src/choose.js";
import { contenders } from "../src/systems/contenders.js";
import { mcpTunnel, nginxTls } from "../src/systems/mcp-tunnel.js";
import { bareNode, direct, floor } from "../src/systems/references.js";
import type { Workload } from "../src/workload.js";
import { workloads } from "../src/workloads/all.js";

const systems = [floor, direct, nginxTls, bareNode, mcpTunnel, ...contenders];
const whole = { systems: undefined, quick: false };

function workload(name: string): Workload {
  const found = workloads.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no workload ${name}`);
  return found;
}

function names(row: string, options: Parameters<typeof takersOf>[2] = whole): string[] {
  return takersOf(workload(row), systems, options).map((system) => system.name);
}

describe("in a row of the bench", () => {
  it("only those take part that can be set up so", () => {
    expect(names("many-1000")).toEqual(["bare-node", "mcp-tunnel", "frp", "piko"]);
    expect(names("https-64")).toEqual(["nginx-tls", "mcp-tunnel", "frp", "piko"]);
    expect(names("get-64")).not.toContain("nginx-tls");
    // bore has one kind of upstream.
    expect(names("ws-200", { systems: ["bore"], quick: false })).not.toContain("bore");
  });

  it("the usual ones take part, or else those that are wanted", () => {
    expect(names("get-16")).toEqual(["floor", "mcp-tunnel", "frp", "piko"]);
    expect(names("get-16", { systems: ["rathole"], quick: false })).toContain("rathole");
    expect(names("get-64")).toEqual(expect.arrayContaining(contenders.map(({ name }) => name)));
  });

  it("the direct way takes part in a quick run only if a target is over it", () => {
    const quick = { systems: undefined, quick: true };
    expect(names("get-64", quick)).not.toContain("direct");
    expect(names("first-event", quick)).toContain("direct");
  });
});

describe("a run of the bench", () => {
  it("has rows that are compared with each other in the same rounds", () => {
    const groups = grouped(workloads).map((group) => group.map(({ name }) => name));
    expect(groups).toContainEqual(["https-64", "h2-8x8", "h2-64x1"]);
    expect(groups).toContainEqual(["plain-download-8", "tls-download-8"]);
    expect(groups).toContainEqual(["many-200"]);
  });

  it("leaves out rows that nobody asks for by name", () => {
    const ofRun = (only: readonly string[] | undefined): string[] =>
      chooseWorkloads({ only, quick: false }).present.map(({ name }) => name);
    expect(ofRun(undefined)).not.toContain("idle-1000");
    expect(ofRun(["idle-1000"])).toEqual(["idle-1000"]);
  });

  it("knows its systems", () => {
    const choice = { systems: ["mcp-tunnel"], quick: false, against: undefined };
    expect(chooseSystems(choice)).toEqual({ present: [floor, mcpTunnel], absent: [] });
    expect(() => chooseSystems({ ...choice, systems: ["ngrok"] })).toThrow("there is no system 'ngrok'");
  });
});
