import type { Overview } from "mcp-tunnel-dashboard/model";
import type { MetricData } from "./metrics.js";

/** Reads the metrics of the relay (docs/metrics.md): they are summed over its processes already. */
export class CountsReader {
  readonly #series: ReadonlyMap<string, MetricData["values"]>;

  constructor(counts: readonly MetricData[]) {
    this.#series = new Map(counts.map(({ name, values }) => [name, values]));
  }

  totals(): Overview["totals"] {
    return {
      requests: this.#by("requests_total", "status") as Overview["totals"]["requests"],
      outcomes: this.#by("requests_total", "outcome") as Overview["totals"]["outcomes"],
      refusals: this.#by("refusals_total", "code"),
      limits: this.#by("limits_hit_total", "limit"),
      events: this.#by("events_total", "event"),
      requestBytes: this.#value("request_bytes_total"),
      responseBytes: this.#value("response_bytes_total"),
      openRequests: this.#value("requests_open"),
    };
  }

  tunnels(): Overview["tunnels"] {
    const states = this.#by("tunnels", "state") as Omit<Overview["tunnels"], "gated">;
    return { ...states, gated: this.#value("tunnels_gated") };
  }

  #value(metric: string): number {
    return this.#of(metric).reduce((sum, { value }) => sum + value, 0);
  }

  /** The sums by the values of one label. */
  #by(metric: string, label: string): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { value, labels } of this.#of(metric)) {
      const key = String(labels[label]);
      sums[key] = (sums[key] ?? 0) + value;
    }
    return sums;
  }

  #of(metric: string): MetricData["values"] {
    return this.#series.get(`mcp_tunnel_${metric}`) ?? [];
  }
}
