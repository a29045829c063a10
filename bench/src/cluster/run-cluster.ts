import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { findProgram } from "../child.js";
import { runJson, workloadJson } from "../json.js";
import type { BenchOptions } from "../options.js";
import { workloadTable } from "../report.js";
import type { WorkloadResult } from "../results.js";
import { Runner } from "../runner.js";
import { here, tunnelOf } from "../systems/mcp-tunnel.js";
import type { Workload } from "../workload.js";
import { measureEngine, engineTable } from "./engine-costs.js";
import { extraTable, pairTable } from "./extra.js";
import { clusterSystems, one } from "./systems.js";
import { clusterWorkloads, engineRow } from "./workloads.js";

/**
 * What it costs that there are several relays, or several processes of one, beside one that is alone.
 * @returns whether one of the systems failed.
 */
export async function runCluster(folder: string, options: BenchOptions): Promise<boolean> {
  const hasRedis = findProgram("redis-server") !== undefined;
  const help = execFileSync(process.execPath, [here.relay, "--help"], { encoding: "utf8" });
  const against = options.against === undefined ? undefined : tunnelOf(resolve(options.against));
  const { present, absent } = clusterSystems(against, hasRedis, help);
  const systems = present.filter(
    ({ name }) => name === one.name || options.systems?.includes(name) !== false,
  );
  for (const line of absent) console.log(`Left out: ${line}\n`);
  const names = systems.map(({ name }) => name);
  const runner = new Runner(folder);
  const results: WorkloadResult[] = [];
  for (const workload of chosen(options)) {
    const takers = systems.filter(({ name }) => workload.systems?.includes(name) !== false);
    const able = takers.filter(({ startMany }) => workload.setup === undefined || startMany !== undefined);
    for (const result of await runner.run([{ workload, systems: able }], options)) {
      results.push(result);
      console.log(`${workloadTable(result, names, one.name)}\n`);
    }
  }
  await runner.close();
  if (results.length > 0) console.log(`${extraTable(results, names)}\n`);
  if (against !== undefined) console.log(`${pairTable(results)}\n`);
  const wantsEngine = options.only?.includes(engineRow) !== false;
  const engine = hasRedis && wantsEngine ? await measureEngine(folder, options.rounds) : undefined;
  if (engine !== undefined) console.log(engineTable(engine));
  const { json, rounds, seconds } = options;
  if (json !== undefined) {
    const workloads = results.map((result) => workloadJson(result, one.name));
    const content = { ...runJson({ rounds, seconds }), workloads, engine };
    writeFileSync(json, `${JSON.stringify(content, undefined, 2)}\n`);
  }
  return results.some(({ errors }) => errors.size > 0);
}

function chosen({ only }: BenchOptions): readonly Workload[] {
  return clusterWorkloads.filter(({ name }) => only?.includes(name) !== false);
}
