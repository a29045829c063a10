import type { RelayState, StaleSource, WorkerState } from "mcp-tunnel-dashboard/model";
import type { MetricData } from "../../admin/metrics.js";
import type { AdminSource, Disconnected, FoundTunnels, OwnFacts, RelayFacts } from "../../admin/source.js";
import { CommandFailure } from "../output/output.js";
import type { Crew } from "./crew.js";
import type { CrewCounts, MetricsSum } from "./metrics-sum.js";
import type { WorkerProcess } from "./worker-process.js";

type StateAnswer = OwnFacts["state"] & Pick<OwnFacts, "unreadiness">;

/** What the operator's listener has to know of the workers besides. */
export interface CrewSourceOptions {
  /** Shown in the status. */
  readonly version: string;
  /** They are relays of a cluster with others. Otherwise what joins them is their own affair. */
  readonly isClustered: boolean;
}

/** All workers, as the operator sees them: one relay. */
export class CrewSource implements AdminSource {
  readonly #crew: Crew;
  readonly #sum: MetricsSum;
  readonly #options: CrewSourceOptions;
  readonly #startedAt = Date.now();

  constructor(crew: Crew, sum: MetricsSum, options: CrewSourceOptions) {
    this.#crew = crew;
    this.#sum = sum;
    this.#options = options;
  }

  get metricsType(): string {
    return this.#sum.contentType;
  }

  async state(): Promise<RelayState> {
    const { answers } = await this.#crew.ask({ about: "state" });
    return this.#stateOf(answers);
  }

  async unreadiness(): Promise<string | undefined> {
    if (this.#crew.isClosing) return "draining";
    const { answers, silent } = await this.#crew.ask({ about: "state" });
    return unreadinessOf(answers, silent.length);
  }

  /** Workers have the same options and read the same files. What belongs to a file is told by the first. */
  async facts(): Promise<RelayFacts> {
    const { answers, silent } = await this.#crew.ask({ about: "facts" });
    const [first] = answers.values();
    if (first === undefined) throw new CommandFailure("no worker answers");
    const states = mapped(answers, ({ state, unreadiness }) => ({ ...state, unreadiness }));
    const isReady = Array.from(answers.values()).every(({ cluster }) => cluster?.ready !== false);
    return {
      state: this.#stateOf(states),
      unreadiness: this.#crew.isClosing ? "draining" : unreadinessOf(states, silent.length),
      domain: first.domain,
      authMode: first.authMode,
      certificates: first.certificates,
      cluster:
        this.#options.isClustered && first.cluster !== undefined
          ? { ...first.cluster, ready: isReady }
          : undefined,
      counts: await this.#sum.data(...this.#now(mapped(answers, ({ counts }) => counts))),
    };
  }

  #stateOf(answers: ReadonlyMap<WorkerProcess, StateAnswer>): RelayState {
    const states = [...answers.values()];
    const workers = this.#crew.processes.map((process): WorkerState => {
      const state = answers.get(process);
      return {
        worker: process.worker,
        ...(process.isEnded ? {} : { pid: process.pid }),
        ...(state?.node === undefined ? {} : { node: state.node }),
        ready: state !== undefined && state.unreadiness === undefined,
      };
    });
    return {
      version: this.#options.version,
      addresses: states[0]?.addresses ?? {},
      startedAt: this.#startedAt,
      draining: this.#crew.isClosing,
      stale: merged(states.flatMap(({ stale }) => stale)),
      // All workers share the ports.
      localPorts: states[0]?.localPorts ?? {},
      workers,
    };
  }

  async tunnels(scope: "all" | "local"): Promise<FoundTunnels> {
    if (scope === "all") return await this.#crew.askOne({ about: "tunnels" });
    const { answers, silent } = await this.#crew.ask({ about: "ownTunnels" });
    return { tunnels: [...answers.values()].flat(), silent: silent.map((worker) => `worker ${worker}`) };
  }

  async disconnect(name: string): Promise<Disconnected> {
    const { relays, silent } = await this.#crew.askOne({ about: "disconnect", name });
    return { found: relays.length > 0, relays, silent };
  }

  async reload(): Promise<void> {
    await this.#crew.ask({ about: "reload" });
  }

  async metrics(): Promise<string> {
    const { answers } = await this.#crew.ask({ about: "metrics" });
    return await this.#sum.text(...this.#now(answers));
  }

  /** What the sum needs to know of the processes besides what they have answered. */
  #now(
    answers: ReadonlyMap<WorkerProcess, readonly MetricData[]>,
  ): [Map<number, readonly MetricData[]>, Set<number>, CrewCounts] {
    const { processes, deaths } = this.#crew;
    const alive = new Set(processes.filter(({ isEnded }) => !isEnded).map(({ pid }) => pid));
    const listening = processes.filter(({ isListening }) => isListening).length;
    const byPid = new Map(Array.from(answers, ([{ pid }, data]) => [pid, data]));
    return [byPid, alive, { listening, deaths }];
  }

  close(): void {
    this.#sum.close();
  }
}

function unreadinessOf(answers: ReadonlyMap<WorkerProcess, StateAnswer>, silent: number): string | undefined {
  const reasons = Array.from(answers.values(), ({ unreadiness }) => unreadiness);
  const reason = reasons.find((one) => one !== undefined);
  if (reason !== undefined || silent === 0) return reason;
  return silent === 1 ? "a worker is missing" : "workers are missing";
}

function mapped<Key, From, To>(map: ReadonlyMap<Key, From>, to: (value: From) => To): Map<Key, To> {
  return new Map(Array.from(map, ([key, value]) => [key, to(value)]));
}

/** Workers read the same files, and each says what it could not read. */
function merged(stale: readonly StaleSource[]): StaleSource[] {
  return [...new Map(stale.toReversed().map((source) => [`${source.kind} ${source.name}`, source])).values()];
}
