import { wrk } from "../load/wrk.js";
import { show, table } from "../report.js";
import { median } from "../stats.js";
import { smallPath } from "../upstreams/static.js";
import { rounds, seconds, Spending, type Running } from "./curve.js";
import { writePlot } from "./plots.js";

interface Point {
  readonly name: string;
  readonly count: number;
  readonly rate: number;
  readonly p99: number;
  readonly cpu: number;
  readonly memory: number;
}

/** One to a thousand requests at once through one tunnel. */
export async function scaleStreams(systems: readonly Running[], folder: string): Promise<void> {
  const points: Point[] = [];
  for (const count of [1, 4, 16, 64, 256, 1_000]) {
    for (const { endpoint } of systems) await wrk(endpoint, { path: smallPath }, count, 1, folder);
    const measured: Point[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const { name, endpoint } of systems) {
        const spending = new Spending(endpoint);
        const result = await wrk(endpoint, { path: smallPath }, count, seconds, folder);
        measured.push({
          name,
          count,
          rate: result.requestsPerSecond,
          p99: result.p99Ms,
          cpu: spending.cpuMicroseconds / result.requests,
          memory: spending.peakMebibytes,
        });
      }
    }
    for (const { name } of systems) points.push(middle(measured.filter((point) => point.name === name)));
  }
  console.log(
    `${table(
      [
        "streams at once, one tunnel",
        "",
        "requests/s",
        "p99, ms",
        "CPU µs / request",
        "largest process, MiB",
      ],
      points.map((p) => [
        p.count.toLocaleString("en"),
        p.name,
        show(p.rate),
        show(p.p99),
        show(p.cpu),
        show(p.memory),
      ]),
    )}\n`,
  );
  const seriesOf = (key: "rate" | "cpu"): { name: string; points: [number, number][] }[] =>
    systems.map(({ name }) => ({
      name,
      points: points.filter((p) => p.name === name).map((p) => [p.count, p[key]]),
    }));
  writePlot("streams-rate.svg", {
    title: "GET of 1 KiB through one tunnel",
    x: "requests at once",
    y: "requests/s",
    series: seriesOf("rate"),
    linearY: true,
  });
  writePlot("streams-cpu.svg", {
    title: "CPU time of all processes for one request",
    x: "requests at once",
    y: "µs",
    series: seriesOf("cpu"),
    linearY: true,
  });
}

function middle(points: readonly Point[]): Point {
  const of = (key: "rate" | "p99" | "cpu" | "memory"): number => median(points.map((point) => point[key]));
  return { ...(points[0] as Point), rate: of("rate"), p99: of("p99"), cpu: of("cpu"), memory: of("memory") };
}
