import type { AdminSource, Disconnected, FoundTunnels, RelayState, WorkerState } from "../../admin/source.js";
import type { StaleSource } from "../../files/staleness.js";
import type { Crew } from "./crew.js";
import type { MetricsSum } from "./metrics-sum.js";

/** All workers, as the operator sees them: one relay. `version` is shown in the status. */
export class CrewSource implements AdminSource {
  readonly #crew: Crew;
  readonly #sum: MetricsSum;
  readonly #version: string;
  readonly #startedAt = Date.now();

  constructor(crew: Crew, sum: MetricsSum, version: string) {
    this.#crew = crew;
    this.#sum = sum;
    this.#version = version;
  }

  get metricsType(): string {
    return this.#sum.contentType;
  }

  async state(): Promise<RelayState> {
    const { answers } = await this.#crew.ask({ about: "state" });
    const states = [...answers.values()];
    const workers = this.#crew.processes.map((process): WorkerState => {
      const state = answers.get(process);
      return {
        worker: process.worker,
        pid: process.isEnded ? undefined : process.pid,
        node: state?.node,
        ready: state !== undefined && state.unreadiness === undefined,
      };
    });
    return {
      version: this.#version,
      addresses: states[0]?.addresses ?? {},
      startedAt: this.#startedAt,
      draining: this.#crew.isClosing,
      stale: merged(states.flatMap(({ stale }) => stale)),
      // All workers share the ports.
      localPorts: states[0]?.localPorts ?? {},
      workers,
    };
  }

  async unreadiness(): Promise<string | undefined> {
    if (this.#crew.isClosing) return "draining";
    const { answers, silent } = await this.#crew.ask({ about: "state" });
    const reasons = Array.from(answers.values(), ({ unreadiness }) => unreadiness);
    const reason = reasons.find((one) => one !== undefined);
    if (reason !== undefined || silent.length === 0) return reason;
    return silent.length === 1 ? "a worker is missing" : "workers are missing";
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

  async metrics(): Promise<string> {
    const { answers } = await this.#crew.ask({ about: "metrics" });
    const { processes, deaths } = this.#crew;
    const alive = new Set(processes.filter(({ isEnded }) => !isEnded).map(({ pid }) => pid));
    const listening = processes.filter(({ isListening }) => isListening).length;
    const byPid = new Map(Array.from(answers, ([{ pid }, data]) => [pid, data]));
    return await this.#sum.text(byPid, alive, { listening, deaths });
  }

  close(): void {
    this.#sum.close();
  }
}

/** Workers read the same files, and each says what it could not read. */
function merged(stale: readonly StaleSource[]): StaleSource[] {
  return [...new Map(stale.toReversed().map((source) => [`${source.kind} ${source.name}`, source])).values()];
}
