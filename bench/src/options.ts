import { parseArgs } from "node:util";
import { clusterRows } from "./cluster/workloads.js";
import { systemNames } from "./systems/all.js";
import { workloads } from "./workloads/all.js";

const modes = ["scaling", "delay", "start", "allocations", "cluster", "model"] as const;

export interface BenchOptions {
  /** Names of workloads. */
  readonly only: readonly string[] | undefined;
  /** Names of systems, besides the floor. */
  readonly systems: readonly string[] | undefined;
  readonly rounds: number;
  readonly seconds: number;
  /** The systems are started anew for each round. */
  readonly fresh: boolean;
  readonly quick: boolean;
  readonly gate: boolean;
  readonly json: string | undefined;
  /** The folder of another checkout, built, to compare with. */
  readonly against: string | undefined;
  /** A curve instead of the table. */
  readonly mode: "table" | (typeof modes)[number];
}

function namesOf(onlyByName: boolean): string {
  const some = workloads.filter((workload) => (workload.onlyByName ?? false) === onlyByName);
  return some.map((workload) => workload.name).join(", ");
}

export const usage = `npm run bench -- [options]

  --quick          the everyday part of it, in five minutes: the tunnel and its references alone
  --only NAMES     these workloads, separated by commas
  --systems NAMES  these systems besides the floor, separated by commas; with --cluster besides one relay
  --against DIR    another checkout of this repository, built: as "against" in the table, --start and --cluster
  --rounds N       cycles of each workload on each system (default 7, quick 3)
  --seconds S      length of a cycle (default 3, quick 1)
  --fresh          start the systems anew for each round: two processes of the same program differ
  --gate           exit with status 1 if a target's limit is missed by more than the spread (also of --start)
  --json FILE      everything that was measured, of the table and of --cluster
  --scaling        instead: how cost grows with tunnels, streams and body size; writes plots into docs/
  --start          instead: what it takes until the commands are up, beside bare Node
  --delay          instead: a link with a delay, against raw TCP over the same link; writes plots into docs/
  --allocations    instead: the bytes that each process allocates for a request, and where
  --cluster        instead: what several relays cost, or several processes of one, beside one that is alone
  --model          instead: how a cluster goes on beyond this machine, computed; measures nothing

A whole run with all contenders ends within half an hour: --rounds 4 --seconds 1 --json FILE

Workloads: ${namesOf(false)}
Only if --only names them: ${namesOf(true)}
With --cluster: ${clusterRows.join(", ")}

Systems: ${systemNames.join(", ")}`;

/** @throws Error that says what is wrong with the arguments. */
export function parseOptions(args: readonly string[]): BenchOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      fresh: { type: "boolean", default: false },
      gate: { type: "boolean", default: false },
      scaling: { type: "boolean", default: false },
      delay: { type: "boolean", default: false },
      start: { type: "boolean", default: false },
      allocations: { type: "boolean", default: false },
      cluster: { type: "boolean", default: false },
      model: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      only: { type: "string" },
      systems: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      json: { type: "string" },
      against: { type: "string" },
    },
  });
  if (values.help) return "help";
  const only = values.only?.split(",");
  const mode = modeOf(values);
  const known = mode === "cluster" ? clusterRows : workloads.map(({ name }) => name);
  const unknown = only?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no workload '${unknown}'`);
  return {
    only,
    systems: values.systems?.split(","),
    rounds: count("--rounds", values.rounds, values.quick ? 3 : 7),
    seconds: count("--seconds", values.seconds, values.quick ? 1 : 3),
    quick: values.quick,
    fresh: values.fresh,
    gate: values.gate,
    json: values.json,
    against: values.against,
    mode,
  };
}

function modeOf(chosen: Partial<Record<string, unknown>>): BenchOptions["mode"] {
  return modes.find((mode) => chosen[mode] === true) ?? "table";
}

function count(name: string, text: string | undefined, byDefault: number): number {
  if (text === undefined) return byDefault;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} takes a whole number from 1, not '${text}'`);
  return value;
}
