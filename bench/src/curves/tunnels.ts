import { openTunnels } from "../load/tunnels.js";
import { wrk } from "../load/wrk.js";
import { residentBytes } from "../proc.js";
import { show, table } from "../report.js";
import { median } from "../stats.js";
import { startRelay } from "../systems/mcp-tunnel.js";
import { smallPath } from "../upstreams/static.js";
import { mebibyte, rounds, seconds, Spending } from "./curve.js";
import { writePlot } from "./plots.js";

interface Point {
  readonly count: number;
  readonly rate: number;
  readonly cpu: number;
  readonly memory: number;
}

/** Requests over 1 to 5,000 tunnels in turn. */
export async function scaleTunnels(upstreamPort: number, folder: string): Promise<void> {
  const points: Point[] = [];
  for (const count of [1, 10, 100, 1_000, 5_000]) {
    const relay = await startRelay(folder);
    const tunnels = await openTunnels(relay.port, upstreamPort, count);
    const endpoint = { port: relay.port, host: "t1.localhost", processes: [relay.child] };
    const request = { path: smallPath, hosts: tunnels.hosts };
    // Every tunnel is asked at least once, so that all of them are active and warm.
    await wrk(endpoint, request, 64, count >= 1_000 ? 4 : 2, folder);
    const rates = [];
    const cpu = [];
    for (let round = 0; round < rounds; round++) {
      const spending = new Spending(endpoint);
      const result = await wrk(endpoint, request, 64, seconds, folder);
      rates.push(result.requestsPerSecond);
      cpu.push(spending.cpuMicroseconds / result.requests);
    }
    points.push({
      count,
      rate: median(rates),
      cpu: median(cpu),
      memory: residentBytes(relay.child.pid) / mebibyte,
    });
    await tunnels.stop();
    await relay.child.stop();
  }
  console.log(
    `${table(
      ["active tunnels", "requests/s", "relay CPU µs / request", "relay memory, MiB"],
      points.map((p) => [p.count.toLocaleString("en"), show(p.rate), show(p.cpu), show(p.memory)]),
    )}\n`,
  );
  writePlot("tunnels-rate.svg", {
    title: "64 connections over all tunnels in turn",
    x: "active tunnels",
    y: "requests/s",
    series: [{ name: "mcp-tunnel", points: points.map((p) => [p.count, p.rate]) }],
    linearY: true,
  });
  writePlot("tunnels-memory.svg", {
    title: "Memory of the relay",
    x: "active tunnels",
    y: "MiB",
    series: [{ name: "relay", points: points.map((p) => [p.count, p.memory]) }],
    linearY: true,
  });
}
