import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { extraTable, pairTable } from "../src/cluster/extra.js";
import { parseMetric } from "../src/cluster/metric.js";
import { busiest } from "../src/cluster/shares.js";
import { startSwitchboard } from "../src/cluster/switchboard.js";
import { clusterSystems } from "../src/cluster/systems.js";
import { clusterWorkloads } from "../src/cluster/workloads.js";
import type { Measurement } from "../src/measure.js";
import { parseOptions } from "../src/options.js";
import type { WorkloadResult } from "../src/results.js";

it("reads a metric with its labels, and knows one that is not there", () => {
  const text = [
    "# TYPE mcp_tunnel_cluster_splices gauge",
    'mcp_tunnel_cluster_splices{direction="in"} 3',
    'mcp_tunnel_cluster_splices{direction="out"} 1',
    "mcp_tunnel_cluster_nodes 2",
  ].join("\n");
  expect(parseMetric(text, 'mcp_tunnel_cluster_splices{direction="out"}')).toBe(1);
  expect(parseMetric(text, "mcp_tunnel_cluster_nodes")).toBe(2);
  expect(parseMetric(text, "mcp_tunnel_cluster_node")).toBeUndefined();
});

it("says how much more than its part the busiest worker has", () => {
  expect(busiest([32, 32])).toBe(1);
  expect(busiest([48, 16])).toBe(1.5);
  expect(busiest([0, 9, 0])).toBe(3);
});

it("leaves out what is not there, and says so", () => {
  const help = "Options:\n  --workers <N>   processes that serve\n";
  expect(clusterSystems(undefined, true, help).present.map(({ name }) => name)).toEqual([
    ...["one", "owner", "hop", "spliced", "hop+spliced", "workers-2"],
  ]);
  const { present, absent } = clusterSystems(undefined, false, "--worker-threads");
  expect(present.map(({ name }) => name)).toEqual(["one"]);
  expect(absent).toEqual([
    expect.stringContaining("redis-server"),
    expect.stringContaining("has no --workers"),
  ]);
});

it("has rows whose systems exist", () => {
  const known = clusterSystems(undefined, true, "  --workers").present.map(({ name }) => name);
  for (const { systems = [] } of clusterWorkloads)
    expect([...known, "against"]).toEqual(expect.arrayContaining([...systems]));
});

it("takes names of its own rows with --cluster alone", () => {
  expect(parseOptions(["--cluster", "--only", "nobody-16"])).toMatchObject({
    mode: "cluster",
    only: ["nobody-16"],
  });
  expect(() => parseOptions(["--only", "nobody-16"])).toThrow("there is no workload 'nobody-16'");
  expect(() => parseOptions(["--cluster", "--only", "h2-8x8"])).toThrow("there is no workload 'h2-8x8'");
  expect(parseOptions(["--model"])).toMatchObject({ mode: "model" });
});

function measurement(relay: number, client: number): Measurement {
  return {
    values: { cpu: relay + client },
    processes: [
      { name: "relay", cpu: relay, peakBytes: 0 },
      { name: "client", cpu: client, peakBytes: 0 },
    ],
  };
}

it("shows what each way costs more than one relay, round by round", () => {
  const result: WorkloadResult = {
    workload: { ...clusterWorkloads[0]!, title: "a row" },
    rounds: new Map([
      ["one", [measurement(40, 40), measurement(50, 50)]],
      ["hop", [measurement(60, 40), measurement(70, 50)]],
      ["against", [measurement(40, 40), measurement(50, 50)]],
    ]),
    errors: new Map(),
  };
  // 20 µs in both rounds; 1.25 and 1.2 times as much.
  expect(extraTable([result], ["one", "hop", "spliced"])).toMatch(
    /a row .*\| 20\.0 \(x 1\.2\d ± 0\.01\) +\| – /,
  );
  expect(pairTable([result])).toMatch(/a row +\| 1\.000 +\| 1\.000 to 1\.000/);
});

it("leads to a relay until it is cut, and leaves its port free", async () => {
  const target = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const switchboard = await startSwitchboard((target.address() as AddressInfo).port);
  const socket = connect(switchboard.port, "127.0.0.1");
  const ended = new Promise<string>((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
  socket.write("echo");
  expect(String((await once(socket, "data"))[0])).toBe("echo");
  await switchboard.cut();
  expect(await ended).toBe("ECONNRESET");
  const successor = createServer().listen(switchboard.port, "127.0.0.1");
  await once(successor, "listening");
  successor.close();
  target.close();
  await Promise.all([once(successor, "close"), once(target, "close")]);
});
