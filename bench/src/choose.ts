import { resolve } from "node:path";
import { findProgram } from "./child.js";
import type { BenchOptions } from "./options.js";
import { knownSystems, systemNames, usualSystems } from "./systems/all.js";
import { contenders } from "./systems/contenders.js";
import { mcpTunnel, nginxTls, tunnelOf } from "./systems/mcp-tunnel.js";
import { bareNode, direct, floor, nginx } from "./systems/references.js";
import { hasSetup, type System } from "./systems/system.js";
import { targets } from "./targets.js";
import type { Workload } from "./workload.js";
import { workloads } from "./workloads/all.js";

const quickSystems = [direct, nginxTls, bareNode, mcpTunnel];

/** Those of which a workload names the ones that usually take part. */
const limitedSystems = [floor, direct, nginx, ...contenders];

/**
 * The systems of a run, the floor among them. `absent`: the names of contenders whose programs are missing.
 * @throws Error if one is unknown.
 */
export function chooseSystems({
  systems,
  quick,
  against,
}: Pick<BenchOptions, "systems" | "quick" | "against">): { present: System[]; absent: string[] } {
  const wanted = systems ?? (quick ? quickSystems : usualSystems).map((system) => system.name);
  const unknown = wanted.find((name) => !systemNames.includes(name));
  if (unknown !== undefined) {
    throw new Error(`there is no system '${unknown}'; known are ${systemNames.join(", ")}`);
  }
  const chosen = knownSystems.filter((system) => wanted.includes(system.name));
  const present = chosen.filter((system) => areThere(system.programs));
  const absent = contenders.filter((system) => chosen.includes(system) && !present.includes(system));
  const other = against === undefined ? [] : [tunnelOf(resolve(against))];
  return { present: [floor, ...present, ...other], absent: absent.map((system) => system.name) };
}

/** The workloads of a run. `absent`: those whose load lacks a program. */
export function chooseWorkloads({ only, quick }: Pick<BenchOptions, "only" | "quick">): {
  present: Workload[];
  absent: Workload[];
} {
  const chosen = workloads.filter(
    (workload) => only?.includes(workload.name) ?? (quick ? workload.quick === true : !workload.onlyByName),
  );
  const present = chosen.filter(({ programs = [] }) => areThere(programs));
  return { present, absent: chosen.filter((workload) => !present.includes(workload)) };
}

function areThere(programs: readonly string[]): boolean {
  return programs.every((name) => findProgram(name) !== undefined);
}

/** Those of the systems that take part in a workload. */
export function takersOf(
  workload: Workload,
  systems: readonly System[],
  options: Pick<BenchOptions, "systems" | "quick">,
): System[] {
  const { name, upstream, setup = "one", usual } = workload;
  return systems.filter((system) => {
    if (workload.systems?.includes(system.name) === false) return false;
    if ((system.upstream ?? upstream) !== upstream || !hasSetup(system, setup)) return false;
    if (options.systems !== undefined) return true;
    if (usual?.includes(system.name) === false && limitedSystems.includes(system)) return false;
    // In the quick run, the direct way takes part only in workloads with a target that is measured over it.
    return !options.quick || system !== direct || isOverDirect(name);
  });
}

function isOverDirect(name: string): boolean {
  return targets.some(({ workload, as }) => workload === name && as === "over-direct");
}

/** Neighbours of the same group together. */
export function grouped(chosen: readonly Workload[]): Workload[][] {
  const groups: Workload[][] = [];
  for (const workload of chosen) {
    const last = groups.at(-1);
    if (workload.group !== undefined && last?.[0]?.group === workload.group) last.push(workload);
    else groups.push([workload]);
  }
  return groups;
}
