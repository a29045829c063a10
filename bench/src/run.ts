// The bench, in the order of a run:
//   options.ts       the arguments
//   systems/         the ways from a load to an upstream: the floor, nginx, ours, and others on the PATH
//   upstreams/       the services at the end of these ways
//   workloads/       the loads, one kind each (load/ generates them)
//   runner.ts        interleaves the systems in short cycles; measure.ts asks the OS what each cycle cost
//   results.ts       medians, ratios in each round, and the verdicts on targets.ts
//   report.ts        the tables
//   curves/          --scaling and --delay, with their plots
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findProgram } from "./child.js";
import { runDelay } from "./curves/delay.js";
import { runScaling } from "./curves/scaling.js";
import { toJson } from "./json.js";
import { parseOptions, usage, type BenchOptions } from "./options.js";
import { targetTable, workloadTable } from "./report.js";
import { failsGate, judge, processRatio, type WorkloadResult } from "./results.js";
import { Runner } from "./runner.js";
import { contenders } from "./systems/contenders.js";
import {
  mcpTunnel,
  mcpTunnelBearer,
  mcpTunnelInspect,
  mcpTunnelKey,
  mcpTunnelStdio,
  tunnelOf,
} from "./systems/mcp-tunnel.js";
import { direct, floor, nginx } from "./systems/references.js";
import type { System } from "./systems/system.js";
import { targets } from "./targets.js";
import type { Workload } from "./workload.js";
import { workloads } from "./workloads/all.js";

/** What the client does besides, and the same requests without it. */
const additions = [
  [mcpTunnelBearer, mcpTunnelKey],
  [mcpTunnelBearer, mcpTunnel],
  [mcpTunnelInspect, mcpTunnel],
] as const;

const options = readOptions();
requirePrograms();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
console.log(
  `Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}, ${new Date().toISOString()}, ` +
    `load ${loadavg()[0]?.toFixed(1)}\n`,
);
if (options.mode === "scaling") await runScaling(folder);
else if (options.mode === "delay") await runDelay(folder);
else await runTable(options);
process.exit();

function readOptions(): BenchOptions {
  try {
    const parsed = parseOptions(process.argv.slice(2));
    if (parsed !== "help") return parsed;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error(`bench: ${(error as Error).message}; --help lists the options`);
    process.exit(2);
  }
}

function requirePrograms(): void {
  const missing = ["nginx", "wrk"].filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return;
  console.error(`bench: ${missing.join(" and ")} not found; on Debian: apt-get install ${missing.join(" ")}`);
  process.exit(2);
}

function chooseSystems(): System[] {
  const usual = [direct, nginx, mcpTunnel, mcpTunnelStdio, ...contenders];
  const known = [...usual, mcpTunnelKey, mcpTunnelBearer, mcpTunnelInspect];
  const wanted =
    options.systems ?? (options.quick ? ["direct", "mcp-tunnel"] : usual.map((system) => system.name));
  const unknown = wanted.find((name) => !known.some((system) => system.name === name));
  if (unknown !== undefined) {
    console.error(`bench: there is no system '${unknown}'; known are ${known.map((s) => s.name).join(", ")}`);
    process.exit(2);
  }
  const present = known.filter(
    (system) =>
      wanted.includes(system.name) && system.programs.every((name) => findProgram(name) !== undefined),
  );
  const absent = contenders.filter((system) => wanted.includes(system.name) && !present.includes(system));
  if (absent.length > 0) {
    console.log(`Not on the PATH and left out: ${absent.map((system) => system.name).join(", ")}\n`);
  }
  const against = options.against === undefined ? [] : [tunnelOf(resolve(options.against))];
  return [floor, ...present, ...against];
}

function isOverDirect({ name }: Workload): boolean {
  return targets.some(({ workload, as }) => workload === name && as === "over-direct");
}

async function runTable(options: BenchOptions): Promise<void> {
  const { only, quick, rounds, seconds, gate, json } = options;
  const systems = chooseSystems();
  const chosen = workloads.filter(
    (workload) => only?.includes(workload.name) ?? (!quick || workload.quick === true),
  );
  const runner = new Runner(folder);
  const results: WorkloadResult[] = [];
  for (const workload of chosen) {
    // In the quick run, the direct way takes part only in workloads with a target that is measured over it.
    const skipsDirect = quick && options.systems === undefined && !isOverDirect(workload);
    const taking = skipsDirect ? systems.filter((system) => system !== direct) : systems;
    const result = await runner.run(workload, taking, options);
    results.push(result);
    console.log(
      `${workloadTable(
        result,
        systems.map((system) => system.name),
      )}\n`,
    );
    for (const [more, base] of additions) {
      const ratio = processRatio(result, more.name, base.name, "client");
      if (ratio === undefined) continue;
      const { mean, low, high } = ratio;
      const interval = `${mean.toFixed(3)}, 95% from ${low.toFixed(3)} to ${high.toFixed(3)}`;
      console.log(`The client's CPU with ${more.name} over that with ${base.name}: ${interval}\n`);
    }
  }
  await runner.close();
  const verdicts = judge(results, mcpTunnel.name);
  console.log(targetTable(verdicts));
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify(toJson(results, verdicts, { rounds, seconds }), undefined, 2)}\n`);
  }
  // Contenders may fail as they like. Our own system and the floor may not.
  const failed = results.some(({ errors }) => errors.has(mcpTunnel.name) || errors.has(floor.name));
  if (failed || (gate && verdicts.some(failsGate))) process.exitCode = 1;
}
