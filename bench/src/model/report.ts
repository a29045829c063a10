import { show, table } from "../report.js";
import { smallestCluster, tightest, type Cluster, type Demand } from "./cluster-model.js";
import { measured, times, type Times } from "./constants.js";

const sizes = [1_000, 10_000, 100_000, 1_000_000];

/** Each tunnel a request in ten seconds, a tenth of them in use; links are lost every four hours. */
function demandOf(tunnels: number, visitors: Demand["visitors"]): Demand {
  return {
    tunnels,
    requestsPerSecond: tunnels / 10,
    tunnelsInUse: tunnels / 10,
    returnsPerHour: 0.25,
    startsPerHour: 0.05,
    visitors,
  };
}

type Row = readonly [title: string, value: (cluster: Cluster) => string];

const percent = (part: number): string => `${show(part * 100)}%`;
const whole = (count: number): string => Math.round(count).toLocaleString("en");
const megabytes = (bytes: number): string => show(bytes / 1e6);

const rows: readonly Row[] = [
  ["relays, one core each", ({ nodes }) => String(nodes)],
  ["tunnels of a relay", ({ death }) => whole(death.clients)],
  ["requests that hop", ({ hopShare }) => percent(hopShare)],
  ["CPU of the relays, µs a request", ({ relayUsPerRequest }) => show(relayUsPerRequest)],
  ["core of a relay in use", ({ relayLoad }) => percent(relayLoad)],
  ["memory of a relay, MB", ({ relayBytes }) => megabytes(relayBytes)],
  ["links: all, of a relay", ({ links, linksOfRelay }) => `${whole(links)}, ${whole(linksOfRelay)}`],
  ["Redis: renewals / s", ({ redis }) => show(redis.renewals)],
  ["names compared / s", ({ redis }) => show(redis.compared)],
  ["their bytes, MB / s", ({ redis }) => megabytes(redis.comparedBytes)],
  ["look-ups / s", ({ redis }) => show(redis.lookUps)],
  ["claims, releases and changes / s", ({ redis }) => show(redis.changes)],
  ["events delivered / s", ({ redis }) => show(redis.deliveries)],
  ["core of Redis in use", ({ redis }) => percent(redis.load)],
  ["memory of Redis, MB", ({ redis }) => megabytes(redis.bytes)],
  ["a relay dies: Redis' CPU for its clients, s", ({ death }) => show(death.redisSeconds)],
  ["the same of each other relay, s", ({ death }) => show(death.relaySeconds)],
  ["Redis' CPU for look-ups afterwards, s", ({ death }) => show(death.lookUpSeconds)],
  ["room of a relay's answer to status", ({ statusLoad }) => percent(statusLoad)],
  [
    "nearest to its bound",
    (cluster) => {
      const { what, load } = tightest(cluster);
      return `${what}: ${percent(load)}`;
    },
  ],
];

/** Answers used for a minute, and a minute between comparisons: what the relays do not do yet. */
const rarely: Times = { ...times, compareSeconds: 60, freshSeconds: 60 };

const cases: readonly (readonly [title: string, visitors: Demand["visitors"], at: Times])[] = [
  ["visitors come to any relay", "anywhere", times],
  ["visitors of a name come to one relay", "by name", times],
  ["the same, if relays looked and compared once a minute", "by name", rarely],
];

/** Tables of what the model says. */
export function modelReport(): string {
  const tables = cases.map(([title, visitors, at]) => {
    const clusters = sizes.map((tunnels) => smallestCluster(demandOf(tunnels, visitors), measured, at));
    const header = [title, ...sizes.map((tunnels) => `${tunnels.toLocaleString("en")} tunnels`)];
    const lines = rows.map(([row, value]) => [
      row,
      ...clusters.map((cluster) => (cluster === undefined ? "–" : value(cluster))),
    ]);
    return table(header, lines);
  });
  const { aloneUs, frontUs, ownerUs, clientUs } = measured;
  const request =
    `A request takes ${aloneUs} µs of the relay that has the tunnel, or else ${frontUs} of the visitor's and ` +
    `${ownerUs} of the tunnel's. The client takes ${clientUs} µs.`;
  return [request, ...tables].join("\n\n");
}
