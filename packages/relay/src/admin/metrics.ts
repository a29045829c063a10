import {
  type Aggregator,
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { relayErrors } from "../http/answer/errors.js";
import { limitList } from "../limits.js";
import {
  type ExchangeOutcome,
  exchangeOutcomes,
  type RelayObserver,
  type Traffic,
  tunnelEventTypes,
} from "../telemetry/observer.js";
import { clusterGauges, type ClusterSource } from "./cluster-metrics.js";
import { staleKinds, type StaleSource } from "../files/staleness.js";
import { asksForProof } from "../tunnels/gate.js";
import { tunnelStates, type TunnelStatus } from "../tunnels/status.js";
import { version as packageVersion } from "../version.js";

/** The values that are read when the metrics are asked for. */
export interface MetricsSource {
  /** The relay shuts down. */
  readonly draining: boolean;
  /** Requests and upgraded connections that are open. */
  readonly openExchanges: number;
  /** When the certificate expires that does so first; `undefined` without TLS. */
  readonly certificateExpiry: Date | undefined;
  /** Sources that could not be read again. */
  readonly stale: readonly StaleSource[];
  /** `undefined` for a relay that is alone. */
  readonly cluster: ClusterSource | undefined;
  /** The bytes of requests that are open. */
  openTraffic(): Traffic;
  /** The tunnels of the relay. */
  tunnels(): TunnelStatus[];
}

/** The relay's metrics (docs/metrics.md). */
export interface Metrics {
  /** The observer that counts. It goes into the relay's option `observers`. */
  readonly observer: RelayObserver;
  /** The text that Prometheus reads. */
  text(source: MetricsSource): Promise<string>;
  /** The same as data, to be summed over processes: each metric says how. */
  data(source: MetricsSource): Promise<MetricData[]>;
  /** The media type of {@link text}, for the answer. */
  readonly contentType: string;
  /** Ends what it collects of the process. */
  close(): void;
}

/** A metric with its series, as plain JSON. */
export type MetricData = MetricObjectWithValues<MetricValue<string>>;

/** The classes of statuses, by the first digit; 0 for no status. */
const statusClasses = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"] as const;
export type StatusClass = (typeof statusClasses)[number];
/** The place among {@link statusClasses}. A status of 600 to 999 counts as a 5xx (RFC 9110 section 15). */
const classOf = (status: number | undefined): number => Math.min(5, Math.floor((status ?? 0) / 100));

/**
 * A count of requests, which is added to its series when the metrics are asked for. That is cheaper than to
 * add to the series with each request.
 */
interface Tally {
  count: number;
  readonly series: Counter.Internal;
}

/** From a quick page to a slow tool call, in seconds. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600];

/**
 * Counts what the relay does, in a registry of its own, which also has the metrics of the process. `version`
 * is shown as a label; default is that of this package. No label is a text that a stranger can choose, such
 * as a name or a path, because strangers could fill the memory of the system that stores the metrics.
 */
export function createMetrics(version: string = packageVersion): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  new Gauge({
    name: "mcp_tunnel_info",
    help: "The version, as a label.",
    labelNames: ["version"],
    registers,
    aggregator: "first",
  }).set({ version }, 1);

  const requests = new Counter({
    name: "mcp_tunnel_requests_total",
    help: "Requests that are over, by the class of their status and by how they ended.",
    labelNames: ["status", "outcome"],
    registers,
  });
  const refusals = new Counter({
    name: "mcp_tunnel_refusals_total",
    help: "Requests that the relay answered in a tunnel's place, by the code of the error.",
    labelNames: ["code"],
    registers,
  });
  const duration = new Histogram({
    name: "mcp_tunnel_request_duration_seconds",
    help: "From the request's head to the end of its response; upgraded connections are left out.",
    buckets: durationBuckets,
    registers,
  }).labels();
  const requestBytes = new Counter({
    name: "mcp_tunnel_request_bytes_total",
    help: "Body bytes received from visitors.",
    registers,
  });
  const responseBytes = new Counter({
    name: "mcp_tunnel_response_bytes_total",
    help: "Body bytes sent to visitors.",
    registers,
  });
  const happenings = new Counter({
    name: "mcp_tunnel_events_total",
    help: "What happened to tunnels.",
    labelNames: ["event"],
    registers,
  });
  const limits = new Counter({
    name: "mcp_tunnel_limits_hit_total",
    help: "How often a limit took effect, by its name.",
    labelNames: ["limit"],
    registers,
  });
  const gauge = (name: string, help: string, aggregator: Aggregator = "sum"): Gauge =>
    new Gauge({ name, help, registers, aggregator });
  const tunnels = new Gauge({
    name: "mcp_tunnel_tunnels",
    help: "Tunnels, by state: their client is there, is expected back, or is leaving.",
    labelNames: ["state"],
    registers,
  });
  const gated = gauge(
    "mcp_tunnel_tunnels_gated",
    "Tunnels whose client declares a gate that asks each visitor for a proof: bearer, basic or oauth.",
  );
  const open = gauge(
    "mcp_tunnel_requests_open",
    "Requests that are going on, upgraded connections included.",
  );
  const streams = gauge("mcp_tunnel_streams", "Streams that are open on all tunnels.");
  const queued = gauge(
    "mcp_tunnel_queued_bytes",
    "Bytes that wait for a client or for its acknowledgement, over all tunnels.",
  );
  const expiry = gauge(
    "mcp_tunnel_certificate_expiry_timestamp_seconds",
    "When the first of the certificates in use expires, in seconds since 1970; none without TLS.",
    "min",
  );
  const stale = new Gauge({
    name: "mcp_tunnel_stale_sources",
    help: "Sources that could not be read or renewed again, so that their old state still holds, by kind.",
    labelNames: ["kind"],
    registers,
    // Processes of one relay read the same files.
    aggregator: "max",
  });
  const draining = gauge("mcp_tunnel_draining", "1 while the relay is shutting down.", "max");

  const setCluster = clusterGauges(registry);

  // Every series is there from the start, because a rate over a series that appears with its first count
  // misses that count. Each series, also the histogram's above, is looked up once, and not for each request.
  const series = <T extends string>(counter: Counter<T>, labels: Record<T, string>): Counter.Internal => {
    const found = counter.labels(labels);
    found.inc(0);
    return found;
  };
  const requestTallies = statusClasses.map((status) => {
    const tally = (outcome: ExchangeOutcome): Tally => ({
      count: 0,
      series: series(requests, { status, outcome }),
    });
    return Object.fromEntries(exchangeOutcomes.map((outcome) => [outcome, tally(outcome)]));
  });
  const refusalSeries = new Map(Object.keys(relayErrors).map((code) => [code, series(refusals, { code })]));
  const limitSeries = new Map(
    limitList.flatMap(({ name }) => (name === undefined ? [] : [[name, series(limits, { limit: name })]])),
  );
  const eventSeries = new Map(tunnelEventTypes.map((event) => [event, series(happenings, { event })]));

  /** Traffic of the requests that are over. That of open requests is added when the metrics are asked for. */
  const over: Traffic = { requestBytes: 0, responseBytes: 0 };
  const setTo = (counter: Counter, value: number): void => {
    counter.reset();
    counter.inc(value);
  };

  /** Brings up to date what is only set when somebody asks. */
  function setAll(source: MetricsSource): void {
    for (const tally of requestTallies.flatMap((byOutcome) => Object.values(byOutcome))) {
      tally.series.inc(tally.count);
      tally.count = 0;
    }
    const all = source.tunnels();
    for (const state of tunnelStates) tunnels.set({ state }, all.filter((one) => one.state === state).length);
    gated.set(all.filter(({ gate }) => asksForProof(gate)).length);
    streams.set(sum(all, (tunnel) => tunnel.streams));
    queued.set(sum(all, (tunnel) => tunnel.queuedBytes));
    open.set(source.openExchanges);
    draining.set(source.draining ? 1 : 0);
    setCluster(source.cluster);
    for (const kind of staleKinds) {
      stale.set({ kind }, source.stale.filter((one) => one.kind === kind).length);
    }
    const expires = source.certificateExpiry?.getTime();
    if (expires === undefined) expiry.remove();
    else expiry.set(expires / 1_000);
    const traffic = source.openTraffic();
    setTo(requestBytes, over.requestBytes + traffic.requestBytes);
    setTo(responseBytes, over.responseBytes + traffic.responseBytes);
  }

  return {
    contentType: registry.contentType,
    observer: {
      onEnd(exchange) {
        const tally = requestTallies[classOf(exchange.status)]?.[exchange.outcome];
        if (tally !== undefined) tally.count += 1;
        if (exchange.status !== 101) duration.observe(exchange.durationMs / 1_000);
        over.requestBytes += exchange.requestBytes;
        over.responseBytes += exchange.responseBytes;
        if (exchange.outcome === "refused") refusalSeries.get(exchange.code ?? "")?.inc();
      },
      onTunnelEvent({ type }) {
        eventSeries.get(type)?.inc();
      },
      onLimit({ limit }) {
        limitSeries.get(limit)?.inc();
      },
    },
    text(source) {
      setAll(source);
      return registry.metrics();
    },
    data(source) {
      setAll(source);
      return registry.getMetricsAsJSON();
    },
    close: () => registry.clear(),
  };
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
