import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { MetricData } from "../../admin/metrics.js";

/** What the primary knows of its workers by itself. */
export interface CrewCounts {
  readonly listening: number;
  readonly deaths: number;
}

type MetricsNow = [
  answers: ReadonlyMap<number, readonly MetricData[]>,
  alive: ReadonlySet<number>,
  counts: CrewCounts,
];

/** The metrics of all processes as one. Each metric says how its values are put together (metrics.ts). */
export class MetricsSum {
  readonly contentType: string;
  readonly #own = new Registry();
  readonly #listening: Gauge;
  readonly #deaths: Counter;
  /** The last answer of each process, by its id. */
  readonly #last = new Map<number, readonly MetricData[]>();
  /** What processes have counted that are gone: a sum must not fall, or it looks as if all began anew. */
  #gone: readonly MetricData[] = [];

  constructor() {
    const registers = [this.#own];
    this.contentType = this.#own.contentType;
    collectDefaultMetrics({ register: this.#own });
    this.#listening = new Gauge({
      name: "mcp_tunnel_workers",
      help: "Processes of this relay that listen.",
      registers,
    });
    this.#deaths = new Counter({
      name: "mcp_tunnel_worker_deaths_total",
      help: "Processes of this relay that have died, so that another one took their place.",
      registers,
    });
  }

  /**
   * The text that Prometheus reads. `answers`: what processes have answered now, by their ids. `alive`: the
   * processes that there are. One that does not answer counts with its last answer.
   */
  async text(...now: MetricsNow): Promise<string> {
    return (await this.#sum(...now)).metrics();
  }

  /** The same as data. */
  async data(...now: MetricsNow): Promise<MetricData[]> {
    return (await this.#sum(...now)).getMetricsAsJSON();
  }

  close(): void {
    this.#own.clear();
  }

  async #sum(...[answers, alive, { listening, deaths }]: MetricsNow): Promise<Registry> {
    for (const [pid, data] of answers) this.#last.set(pid, data);
    const ended = [...this.#last].filter(([pid]) => !alive.has(pid));
    if (ended.length > 0) {
      const counted = ended.map(([, data]) => data.filter(({ type }) => counts.has(String(type))));
      this.#gone = await sumOf([this.#gone, ...counted]).getMetricsAsJSON();
      for (const [pid] of ended) this.#last.delete(pid);
    }
    this.#listening.set(listening);
    this.#deaths.reset();
    this.#deaths.inc(deaths);
    return sumOf([await this.#ownData(), ...this.#last.values(), this.#gone]);
  }

  /** This process takes CPU time and memory as well. Its event loop keeps nobody waiting. */
  async #ownData(): Promise<MetricData[]> {
    const all = await this.#own.getMetricsAsJSON();
    return all
      .filter(({ name }) => !name.startsWith("nodejs_"))
      .map((metric) => (metric.name === startTime ? { ...metric, aggregator: "first" } : metric));
  }
}

/** When the relay started is when its first process did. */
const startTime = "process_start_time_seconds";
const counts = new Set(["counter", "histogram"]);

function sumOf(processes: readonly (readonly MetricData[])[]): Registry {
  return AggregatorRegistry.aggregate(processes.map((data) => [...data]));
}
