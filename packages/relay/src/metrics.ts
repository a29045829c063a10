// The entry /metrics: what a relay counts, for Prometheus. It loads prom-client, and the main entry does not.
export { createMetrics } from "./admin/metrics.js";
export type { MetricData, Metrics, MetricsSource } from "./admin/metrics.js";
export type { ClusterSource } from "./admin/cluster-metrics.js";
