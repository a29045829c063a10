import { setTimeout as delay } from "node:timers/promises";
import { Downloads } from "../load/bulk.js";
import { show, table } from "../report.js";
import { median } from "../stats.js";
import { fileSizes } from "../upstreams/static.js";
import { mebibyte, rounds, seconds, Spending, type Running } from "./curve.js";
import { writePlot } from "./plots.js";

interface Point {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly rate: number;
  readonly cpu: number;
  readonly memory: number;
}

/** Bodies of 1 KiB to 1 GiB. */
export async function scaleBodies(systems: readonly Running[]): Promise<void> {
  const points: Point[] = [];
  for (const [file, bytes] of Object.entries(fileSizes)) {
    for (const { name, endpoint } of systems) {
      const rates = [];
      const cpu = [];
      let memory = 0;
      for (let round = 0; round < rounds; round++) {
        const spending = new Spending(endpoint);
        const startedAt = performance.now();
        const downloads = new Downloads(endpoint, `/file/${file}`, 4);
        try {
          await Promise.race([delay(seconds * 1_000), downloads.failed]);
        } finally {
          downloads.stop();
        }
        const mebibytes = downloads.bytes / mebibyte;
        rates.push((mebibytes * 1_000) / (performance.now() - startedAt));
        cpu.push(spending.cpuMicroseconds / mebibytes);
        memory = Math.max(memory, spending.peakMebibytes);
      }
      points.push({ name, file, bytes, rate: median(rates), cpu: median(cpu), memory });
    }
  }
  console.log(
    `${table(
      ["body", "", "MiB/s, 4 at once", "CPU µs / MiB", "largest process, MiB"],
      points.map((p) => [p.file, p.name, show(p.rate), show(p.cpu), show(p.memory)]),
    )}\n`,
  );
  writePlot("bodies-rate.svg", {
    title: "Downloads, 4 at once",
    x: "bytes of body",
    y: "MiB/s",
    series: systems.map(({ name }) => ({
      name,
      points: points.filter((p) => p.name === name).map((p) => [p.bytes, p.rate]),
    })),
  });
}
