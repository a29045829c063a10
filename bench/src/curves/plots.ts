import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { drawChart, type Chart } from "./svg.js";

/** docs/performance, seen from bench/dist/src/curves. */
const plots = fileURLToPath(new URL("../../../../docs/performance", import.meta.url));

/** Writes a chart where docs/performance.md shows it. */
export function writePlot(file: string, chart: Chart): void {
  mkdirSync(plots, { recursive: true });
  writeFileSync(join(plots, file), drawChart(chart));
  console.log(`wrote docs/performance/${file}\n`);
}
