import { type Endpoint, untilAllServing } from "./endpoint.js";
import { h2load } from "./load/h2load.js";
import { callFor, withClient } from "./load/tools.js";
import { warmUp } from "./load/warm-up.js";
import { measure, type Measurement } from "./measure.js";
import type { BenchOptions } from "./options.js";
import type { WorkloadResult } from "./results.js";
import { settle } from "./settle.js";
import { type Setup, startSystem, type System } from "./systems/system.js";
import { smallPath } from "./upstreams/static.js";
import { startUpstream, type Upstream, type Upstreams } from "./upstreams/upstreams.js";
import type { Workload } from "./workload.js";

/**
 * As warm as after an hour, for each of the protocols over TLS: otherwise the first workloads would measure
 * how code is compiled.
 */
const secureWarmUpSeconds = 2;
/** The same for tool calls: a few thousand, so that the inspector's ring is full as well. */
const toolWarmUpSeconds = 8;
const warmUpCallers = 4;

/** A workload with the systems that take part in it. */
export interface Entry {
  readonly workload: Workload;
  readonly systems: readonly System[];
}

/**
 * Starts upstreams and systems when a workload first needs them and keeps them up, warm, to the end. Systems
 * that are not being measured are idle.
 */
export class Runner {
  readonly #folder: string;
  readonly #upstreams = new Map<keyof Upstreams, Upstream>();
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Workloads of one group on the systems that take part: a warm-up, then rounds in which each system gets a
   * short turn at each workload.
   */
  async run(
    entries: readonly Entry[],
    { rounds, seconds, fresh }: Pick<BenchOptions, "rounds" | "seconds" | "fresh">,
  ): Promise<WorkloadResult[]> {
    const matches = entries.map((entry) => new Match(entry));
    const total = Math.max(...matches.map((match) => match.rounds(rounds)));
    // A workload that starts its own processes has a single round, and nothing to warm up.
    if (total > 1 && !fresh) {
      for (const match of matches) {
        if (match.workload.fresh === true) continue;
        for (const system of match.active) await this.#turn(match, system, seconds, { rested: false });
      }
    }
    for (let round = 0; round < total; round++) {
      if (fresh) await this.#stopAll();
      for (const match of matches.filter((candidate) => round < candidate.rounds(rounds))) {
        for (const system of match.inTurn(round)) {
          const measurement = await this.#turn(match, system, seconds, { rested: true });
          if (measurement !== undefined) match.add(system, measurement);
        }
      }
    }
    for (const { workload } of matches) {
      // So many tunnels, though idle, would be noticed in other rows.
      if (typeof workload.setup === "number")
        await this.#stopAll((key) => key.includes(` ${workload.setup} `));
    }
    return matches.map((match) => match.result());
  }

  /**
   * One turn, after a pause if it is `rested`. A system that fails is stopped, so that its next workload gets
   * it in working order.
   */
  async #turn(
    match: Match,
    system: System,
    seconds: number,
    { rested }: { readonly rested: boolean },
  ): Promise<Measurement | undefined> {
    const { workload } = match;
    try {
      if (workload.fresh === true) await this.#stop(keyOf(system, workload));
      const endpoint = await this.#endpoint(system, workload);
      if (rested) await settle();
      return await measure(workload, endpoint, seconds, this.#folder);
    } catch (error) {
      // One system's failure must not cost the others their results.
      match.fail(system, error instanceof Error ? error.message : String(error));
      await this.#stop(keyOf(system, workload));
      return undefined;
    }
  }

  async #endpoint(system: System, workload: Workload): Promise<Endpoint> {
    const key = keyOf(system, workload);
    const known = this.#endpoints.get(key);
    if (known !== undefined) return known;
    const { upstream: kind, setup = "one" } = workload;
    const upstream = await this.#upstream(kind);
    const endpoint = await startSystem(system, setup, upstream.port, this.#folder);
    this.#endpoints.set(key, endpoint);
    await untilAllServing(endpoint, endpoint.ready ?? upstream.ready);
    if (workload.fresh !== true) await this.#warmUp(endpoint, kind, setup);
    return endpoint;
  }

  async #warmUp(endpoint: Endpoint, kind: keyof Upstreams, setup: Setup): Promise<void> {
    if (kind === "mcp") {
      const callers = Array.from({ length: warmUpCallers }, () =>
        withClient(endpoint, "auto", (client) => callFor(client, toolWarmUpSeconds)),
      );
      await Promise.all(callers);
      return;
    }
    if (kind !== "static") return;
    const load = { path: smallPath, connections: 64, streams: 1 };
    if (setup === "secure") {
      for (const http of ["1.1", "2"] as const) {
        await h2load(endpoint, { ...load, http }, secureWarmUpSeconds, this.#folder, (action) => action());
      }
      return;
    }
    await warmUp(endpoint, this.#folder);
  }

  async #upstream(kind: keyof Upstreams): Promise<Upstream> {
    const known = this.#upstreams.get(kind);
    if (known !== undefined) return known;
    const upstream = await startUpstream(kind, this.#folder);
    this.#upstreams.set(kind, upstream);
    return upstream;
  }

  async #stop(key: string): Promise<void> {
    const endpoint = this.#endpoints.get(key);
    this.#endpoints.delete(key);
    await Promise.all((endpoint?.processes ?? []).map((child) => child.stop()));
  }

  async #stopAll(isMeant: (key: string) => boolean = () => true): Promise<void> {
    await Promise.all([...this.#endpoints.keys()].filter(isMeant).map((key) => this.#stop(key)));
  }

  async close(): Promise<void> {
    await this.#stopAll();
    await Promise.all([...this.#upstreams.values()].map(({ child }) => child.stop()));
  }
}

/** Systems that are started for one workload are started in the same way for others of this key. */
function keyOf(system: System, { name, upstream, setup = "one", fresh }: Workload): string {
  return `${system.name} ${upstream} ${setup} ${fresh === true ? name : ""}`;
}

/** The progress of one workload. */
class Match {
  readonly workload: Workload;
  active: readonly System[];
  readonly #measured = new Map<string, Measurement[]>();
  readonly #errors = new Map<string, string>();

  constructor({ workload, systems }: Entry) {
    this.workload = workload;
    this.active = systems;
  }

  rounds(wanted: number): number {
    return Math.min(wanted, this.workload.maxRounds ?? wanted);
  }

  /** They take turns in going first, so that none always follows the one that heats the machine up. */
  inTurn(round: number): readonly System[] {
    const first = round % Math.max(this.active.length, 1);
    return [...this.active.slice(first), ...this.active.slice(0, first)];
  }

  add(system: System, measurement: Measurement): void {
    const list = this.#measured.get(system.name) ?? [];
    this.#measured.set(system.name, list);
    list.push(measurement);
  }

  fail(system: System, error: string): void {
    this.#errors.set(system.name, error);
    this.active = this.active.filter((other) => other !== system);
    this.#measured.delete(system.name);
  }

  result(): WorkloadResult {
    return { workload: this.workload, rounds: this.#measured, errors: this.#errors };
  }
}
