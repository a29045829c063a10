import type { Endpoint } from "./endpoint.js";
import { callTool } from "./load/tools.js";
import { wrk } from "./load/wrk.js";
import { smallPath } from "./upstreams/static.js";
import { untilServing } from "./endpoint.js";
import { measure, type Measurement } from "./measure.js";
import type { System } from "./systems/system.js";
import { startUpstream, type Upstream, type Upstreams } from "./upstreams/upstreams.js";
import type { Workload } from "./workload.js";
import type { BenchOptions } from "./options.js";
import type { WorkloadResult } from "./results.js";

/**
 * What makes a system as warm as after an hour, by what is behind it. Otherwise the first workload, with a
 * single connection, would measure how code is compiled.
 */
const warmUps: Partial<Record<keyof Upstreams, (endpoint: Endpoint, folder: string) => Promise<unknown>>> = {
  static: (endpoint, folder) => wrk(endpoint, { path: smallPath }, 64, 2, folder),
  // A few thousand calls, so that the inspector's ring is full as well.
  mcp: (endpoint) => Promise.all(Array.from({ length: 4 }, () => callTool(endpoint, "auto", 8))),
};

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
   * One workload on the systems that take part: a warm-up, then rounds in which each system gets a short
   * turn.
   */
  async run(
    workload: Workload,
    systems: readonly System[],
    { rounds, seconds, fresh }: Pick<BenchOptions, "rounds" | "seconds" | "fresh">,
  ): Promise<WorkloadResult> {
    const errors = new Map<string, string>();
    const measured = new Map<string, Measurement[]>();
    let active = systems.filter(
      ({ name, upstream }) =>
        (workload.systems?.includes(name) ?? true) && (upstream ?? workload.upstream) === workload.upstream,
    );
    const attempt = async (system: System, length: number): Promise<Measurement | undefined> => {
      try {
        const endpoint = await this.#endpoint(system, workload.upstream);
        return await measure(workload, endpoint, length, this.#folder);
      } catch (error) {
        // One system's failure must not cost the others their results.
        errors.set(system.name, error instanceof Error ? error.message : String(error));
        active = active.filter((other) => other !== system);
        measured.delete(system.name);
        return undefined;
      }
    };
    const total = Math.min(rounds, workload.maxRounds ?? rounds);
    // A workload that starts its own processes has a single round, and nothing to warm up.
    if (total > 1 && !fresh) for (const system of active) await attempt(system, seconds);
    for (let round = 0; round < total; round++) {
      if (fresh) await this.#stopSystems();
      // The systems take turns in going first, so that none always follows the one that heats the machine up.
      const first = round % Math.max(active.length, 1);
      for (const system of [...active.slice(first), ...active.slice(0, first)]) {
        const measurement = await attempt(system, seconds);
        if (measurement === undefined) continue;
        const list = measured.get(system.name) ?? [];
        measured.set(system.name, list);
        list.push(measurement);
      }
    }
    return { workload, rounds: measured, errors };
  }

  async #endpoint(system: System, kind: keyof Upstreams): Promise<Endpoint> {
    const key = `${system.name} ${kind}`;
    const known = this.#endpoints.get(key);
    if (known !== undefined) return known;
    const upstream = await this.#upstream(kind);
    const endpoint = await system.start(upstream.port, this.#folder);
    await untilServing(endpoint, endpoint.ready ?? upstream.ready);
    await warmUps[kind]?.(endpoint, this.#folder);
    this.#endpoints.set(key, endpoint);
    return endpoint;
  }

  async #upstream(kind: keyof Upstreams): Promise<Upstream> {
    const known = this.#upstreams.get(kind);
    if (known !== undefined) return known;
    const upstream = await startUpstream(kind, this.#folder);
    this.#upstreams.set(kind, upstream);
    return upstream;
  }

  async #stopSystems(): Promise<void> {
    const children = [...this.#endpoints.values()].flatMap((endpoint) => endpoint.processes);
    this.#endpoints.clear();
    await Promise.all(children.map((child) => child.stop()));
  }

  async close(): Promise<void> {
    await this.#stopSystems();
    await Promise.all([...this.#upstreams.values()].map(({ child }) => child.stop()));
  }
}
