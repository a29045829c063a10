// The bench, in the order of a run:
//   options.ts       the arguments
//   systems/         the ways from a load to an upstream: the floor, nginx, ours, and others on the PATH
//   upstreams/       the services at the end of these ways
//   workloads/       the loads, one kind each (load/ generates them)
//   choose.ts        which of these take part in a run, and in a row of it
//   runner.ts        interleaves the systems in short cycles; measure.ts asks the OS what each cycle cost
//   results.ts       medians, ratios in each round, and the verdicts on targets.ts; leads.ts: who is ahead
//   report.ts        the tables
//   curves/          --scaling and --delay, with their plots; start/  --start
//   cluster/         --cluster: several relays, or several processes of one;  model/  --model: what follows
//   allocations/     --allocations: what each process allocates, counted by a recorder in it
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { runAllocations } from "./allocations/allocations.js";
import { findProgram } from "./child.js";
import { chooseSystems, chooseWorkloads, grouped, takersOf } from "./choose.js";
import { runCluster } from "./cluster/run-cluster.js";
import { runDelay } from "./curves/delay.js";
import { runScaling } from "./curves/scaling.js";
import { toJson } from "./json.js";
import { leads, type Lead } from "./leads.js";
import { parseOptions, usage, type BenchOptions } from "./options.js";
import { leadTable, targetTable, workloadTable } from "./report.js";
import { modelReport } from "./model/report.js";
import { failsGate, judge, processRatio, type WorkloadResult } from "./results.js";
import { Runner } from "./runner.js";
import { runStart } from "./start/start.js";
import { webTunnels } from "./systems/contenders.js";
import { mcpTunnel, mcpTunnelBearer, mcpTunnelInspect, mcpTunnelKey } from "./systems/mcp-tunnel.js";
import { floor } from "./systems/references.js";
import type { System } from "./systems/system.js";
import type { Workload } from "./workload.js";

/** What the client does besides, and the same requests without it. */
const additions = [
  [mcpTunnelBearer, mcpTunnelKey],
  [mcpTunnelBearer, mcpTunnel],
  [mcpTunnelInspect, mcpTunnel],
] as const;

const options = readOptions();
if (options.mode === "model") {
  console.log(modelReport());
  process.exit();
}
requirePrograms();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
console.log(
  `Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}, ${new Date().toISOString()}, ` +
    `load ${loadavg()[0]?.toFixed(1)}\n`,
);
if (options.mode === "scaling") await runScaling(folder);
else if (options.mode === "delay") await runDelay(folder);
else if (options.mode === "start") await runStarts();
else if (options.mode === "allocations") await runAllocations(folder);
else if (options.mode === "cluster") process.exitCode = (await runCluster(folder, options)) ? 1 : 0;
else await runTable();
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

function chosenSystems(): System[] {
  try {
    const { present, absent } = chooseSystems(options);
    if (absent.length > 0) console.log(`Not on the PATH and left out: ${absent.join(", ")}\n`);
    return present;
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    process.exit(2);
  }
}

function chosenWorkloads(): Workload[] {
  const { present, absent } = chooseWorkloads(options);
  if (absent.length > 0) {
    const programs = new Set(absent.flatMap((workload) => workload.programs ?? []));
    const names = absent.map(({ name }) => name).join(", ");
    console.log(`Left out without ${[...programs].join(", ")} (on Debian in nghttp2-client): ${names}\n`);
  }
  return present;
}

async function runStarts(): Promise<void> {
  const fails = await runStart(folder, options);
  if (fails && options.gate) process.exitCode = 1;
}

async function runTable(): Promise<void> {
  const systems = chosenSystems();
  const names = systems.map((system) => system.name);
  const runner = new Runner(folder);
  const results: WorkloadResult[] = [];
  for (const group of grouped(chosenWorkloads())) {
    const entries = group.map((workload) => ({ workload, systems: takersOf(workload, systems, options) }));
    for (const result of await runner.run(entries, options)) {
      results.push(result);
      console.log(`${workloadTable(result, names)}\n`);
      printAdditions(result);
    }
    // After each row, so that a run that is broken off leaves what it has measured.
    writeJson(results);
  }
  await runner.close();
  const verdicts = judge(results, mcpTunnel.name);
  console.log(`${targetTable(verdicts)}\n`);
  console.log(leadTable(leadsIn(results)));
  // Contenders may fail as they like. Our own system and the floor may not.
  const failed = results.some(({ errors }) => errors.has(mcpTunnel.name) || errors.has(floor.name));
  if (failed || (options.gate && verdicts.some(failsGate))) process.exitCode = 1;
}

function leadsIn(results: readonly WorkloadResult[]): Lead[] {
  return leads(
    results,
    mcpTunnel.name,
    webTunnels.map(({ name }) => name),
  );
}

function printAdditions(result: WorkloadResult): void {
  for (const [more, base] of additions) {
    const ratio = processRatio(result, more.name, base.name, "client");
    if (ratio === undefined) continue;
    const { mean, low, high } = ratio;
    const interval = `${mean.toFixed(3)}, 95% from ${low.toFixed(3)} to ${high.toFixed(3)}`;
    console.log(`The client's CPU with ${more.name} over that with ${base.name}: ${interval}\n`);
  }
}

function writeJson(results: readonly WorkloadResult[]): void {
  const { json, rounds, seconds } = options;
  if (json === undefined) return;
  const conclusions = { verdicts: judge(results, mcpTunnel.name), leads: leadsIn(results) };
  const content = toJson(results, conclusions, { rounds, seconds });
  writeFileSync(json, `${JSON.stringify(content, undefined, 2)}\n`);
}
