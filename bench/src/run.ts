// The bench, in the order of a run:
//   options.ts       the arguments
//   systems/         the ways from a load to an upstream: the floor, nginx, ours, and others on the PATH
//   upstreams/       the services at the end of these ways
//   workloads/       the loads, one kind each (load/ generates them)
//   runner.ts        interleaves the systems in short cycles; measure.ts asks the OS what each cycle cost
//   results.ts       medians, ratios in each round, and the verdicts on targets.ts; leads.ts: who is ahead
//   report.ts        the tables
//   curves/          --scaling and --delay, with their plots
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findProgram } from "./child.js";
import { runDelay } from "./curves/delay.js";
import { runScaling } from "./curves/scaling.js";
import { toJson } from "./json.js";
import { leads } from "./leads.js";
import { parseOptions, usage, type BenchOptions } from "./options.js";
import { leadTable, targetTable, workloadTable } from "./report.js";
import { failsGate, judge, processRatio, type WorkloadResult } from "./results.js";
import { Runner } from "./runner.js";
import { contenders, webTunnels } from "./systems/contenders.js";
import {
  mcpTunnel,
  mcpTunnelBearer,
  mcpTunnelInspect,
  mcpTunnelKey,
  mcpTunnelStdio,
  nginxTls,
  tunnelOf,
} from "./systems/mcp-tunnel.js";
import { bareNode, direct, floor, nginx } from "./systems/references.js";
import { hasSetup, type System } from "./systems/system.js";
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

function chooseSystems(): System[] {
  const usual = [direct, nginx, nginxTls, bareNode, mcpTunnel, mcpTunnelStdio, ...contenders];
  const known = [...usual, mcpTunnelKey, mcpTunnelBearer, mcpTunnelInspect];
  const quick = [direct, nginxTls, bareNode, mcpTunnel];
  const wanted = options.systems ?? (options.quick ? quick : usual).map((system) => system.name);
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

function chooseWorkloads(): Workload[] {
  const { only, quick } = options;
  const wanted = workloads.filter(
    ({ name, quick: isQuick, onlyByName }) =>
      only?.includes(name) ?? (quick ? isQuick === true : onlyByName !== true),
  );
  const present = wanted.filter(({ programs = [] }) =>
    programs.every((name) => findProgram(name) !== undefined),
  );
  const absent = wanted.filter((workload) => !present.includes(workload));
  if (absent.length > 0) {
    const programs = new Set(absent.flatMap((workload) => workload.programs ?? []));
    const names = absent.map(({ name }) => name).join(", ");
    console.log(`Left out without ${[...programs].join(", ")} (Debian: nghttp2-client): ${names}\n`);
  }
  return present;
}

/** The systems that take part in a workload. */
function takersOf(workload: Workload, systems: readonly System[]): System[] {
  const { name, upstream, setup = "one", usual } = workload;
  const isFree = options.systems !== undefined;
  const limited = [floor, direct, nginx, ...contenders];
  return systems.filter((system) => {
    if (workload.systems?.includes(system.name) === false) return false;
    if ((system.upstream ?? upstream) !== upstream) return false;
    if (!hasSetup(system, setup)) return false;
    if (isFree) return true;
    if (usual?.includes(system.name) === false && limited.includes(system)) return false;
    // In the quick run, the direct way takes part only in workloads with a target that is measured over it.
    return !(options.quick && system === direct && !isOverDirect(name));
  });
}

function isOverDirect(name: string): boolean {
  return targets.some(({ workload, as }) => workload === name && as === "over-direct");
}

/** Neighbours of the same group together. */
function grouped(chosen: readonly Workload[]): Workload[][] {
  const groups: Workload[][] = [];
  for (const workload of chosen) {
    const last = groups.at(-1);
    if (workload.group !== undefined && last?.[0]?.group === workload.group) last.push(workload);
    else groups.push([workload]);
  }
  return groups;
}

async function runTable(): Promise<void> {
  const systems = chooseSystems();
  const names = systems.map((system) => system.name);
  const runner = new Runner(folder);
  const results: WorkloadResult[] = [];
  for (const group of grouped(chooseWorkloads())) {
    const entries = group.map((workload) => ({ workload, systems: takersOf(workload, systems) }));
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
  console.log(
    leadTable(
      leads(
        results,
        mcpTunnel.name,
        webTunnels.map(({ name }) => name),
      ),
    ),
  );
  // Contenders may fail as they like. Our own system and the floor may not.
  const failed = results.some(({ errors }) => errors.has(mcpTunnel.name) || errors.has(floor.name));
  if (failed || (options.gate && verdicts.some(failsGate))) process.exitCode = 1;
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
  const verdicts = judge(results, mcpTunnel.name);
  writeFileSync(json, `${JSON.stringify(toJson(results, verdicts, { rounds, seconds }), undefined, 2)}\n`);
}
