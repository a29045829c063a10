import { type Child, findProgram } from "../child.js";
import { type Endpoint, untilAllServing } from "../endpoint.js";
import { warmUp } from "../load/warm-up.js";
import { wrk } from "../load/wrk.js";
import { residentBytes } from "../proc.js";
import { show, table } from "../report.js";
import { settle } from "../settle.js";
import { median } from "../stats.js";
import { mcpTunnel } from "../systems/mcp-tunnel.js";
import { bareNode } from "../systems/references.js";
import { startSystem, type System } from "../systems/system.js";
import { frp } from "../systems/web-tunnels.js";
import { smallPath } from "../upstreams/static.js";
import type { Upstream } from "../upstreams/upstreams.js";
import { mebibyte, rounds, seconds, Spending } from "./curve.js";
import { writePlot } from "./plots.js";
import type { Series } from "./svg.js";

interface Point {
  readonly name: string;
  readonly count: number;
  readonly rate: number;
  readonly serverCpu: number;
  readonly memory: number;
}

/** The bare relay's clients answer without a service, so its rate is none that a tunnel can have. */
const withRate: readonly System[] = [mcpTunnel, frp];

/** Requests to 1 to 5,000 tunnels at random, beside frp and the least that Node can do. */
export async function scaleTunnels(upstream: Upstream, folder: string): Promise<void> {
  const systems = [mcpTunnel, frp, bareNode].filter(({ programs }) =>
    programs.every((name) => findProgram(name) !== undefined),
  );
  const points: Point[] = [];
  for (const count of [1, 10, 100, 1_000, 5_000]) {
    points.push(...(await measureCount(systems, count, upstream, folder)));
  }
  console.log(
    `${table(
      ["tunnels in use", "", "requests/s", "server's CPU µs / request", "server's memory, MiB"],
      points.map((p) => [
        p.count.toLocaleString("en"),
        p.name,
        show(p.rate),
        show(p.serverCpu),
        show(p.memory),
      ]),
    )}\n`,
  );
  const series = (of: readonly System[], key: "rate" | "serverCpu" | "memory"): Series[] =>
    of.map(({ name }) => ({
      name,
      points: points.filter((p) => p.name === name).map((p) => [p.count, p[key]] as const),
    }));
  const x = "tunnels in use";
  writePlot("tunnels-rate.svg", {
    title: "64 connections over all tunnels at random",
    x,
    y: "requests/s",
    series: series(
      systems.filter((system) => withRate.includes(system)),
      "rate",
    ),
    linearY: true,
  });
  writePlot("tunnels-cpu.svg", {
    title: "CPU time of the server for one request",
    x,
    y: "µs",
    series: series(systems, "serverCpu"),
    linearY: true,
  });
  writePlot("tunnels-memory.svg", {
    title: "Memory of the server",
    x,
    y: "MiB",
    series: series(systems, "memory"),
    linearY: true,
  });
}

/** A system with so many tunnels, and what its rounds gave so far. */
interface Contestant {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly rates: number[];
  readonly cpu: number[];
}

/** The systems in turns, all with so many tunnels. One that fails is left out. */
async function measureCount(
  systems: readonly System[],
  count: number,
  upstream: Upstream,
  folder: string,
): Promise<Point[]> {
  let running: Contestant[] = [];
  const started: Child[] = [];
  const failed = (name: string, error: unknown): void => {
    console.error(`${name} with ${count.toLocaleString("en")} tunnels failed: ${(error as Error).message}`);
    running = running.filter((contestant) => contestant.name !== name);
  };
  for (const system of systems) {
    try {
      const endpoint = await startSystem(system, count, upstream.port, folder);
      started.push(...endpoint.processes);
      await untilAllServing(endpoint, upstream.ready);
      await warmUp(endpoint, folder);
      running.push({ name: system.name, endpoint, rates: [], cpu: [] });
    } catch (error) {
      failed(system.name, error);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { name, endpoint, rates, cpu } of running) {
      try {
        await settle();
        const spending = new Spending(endpoint, 1);
        const request = { path: smallPath, hosts: endpoint.hosts };
        const result = await wrk(endpoint, request, 64, seconds, folder);
        rates.push(result.requestsPerSecond);
        cpu.push(spending.cpuMicroseconds / result.requests);
      } catch (error) {
        failed(name, error);
      }
    }
  }
  const points = running.map(({ name, endpoint, rates, cpu }) => ({
    name,
    count,
    rate: median(rates),
    serverCpu: median(cpu),
    memory: residentBytes(endpoint.processes[0]?.pid ?? 0) / mebibyte,
  }));
  await Promise.all(started.map((child) => child.stop()));
  return points;
}
