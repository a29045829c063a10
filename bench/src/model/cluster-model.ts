import { bounds, statusBytes, times, type Constants, type Times } from "./constants.js";

/** What a cluster is for. */
export interface Demand {
  readonly tunnels: number;
  /** Of all visitors together, GETs of 1 KiB, spread evenly over the tunnels in use. */
  readonly requestsPerSecond: number;
  /** How many of the tunnels have visitors. */
  readonly tunnelsInUse: number;
  /** How often a client loses its link and comes back to its session, in an hour. */
  readonly returnsPerHour: number;
  /** How often a client starts anew, in an hour. */
  readonly startsPerHour: number;
  /** Whether visitors come to any relay, or those of one name always to the same, which is any relay. */
  readonly visitors: "anywhere" | "by name";
}

/** How far a relay or Redis may be used: beyond it, waiting times grow. */
export const mostLoad = 0.6;
/** How much memory a relay may use, in bytes: the heap that Node takes by itself is about 4 GB. */
const mostBytes = 3e9;
/** Fewer relays than these are no cluster: one may die, and another be restarted. */
const fewestNodes = 3;
/** How long each other relay may be busy with the clients of one that has died, in seconds. */
const mostBusySeconds = 10;
/**
 * Relays beyond which nothing was thought through: a full mesh of links, and a list of all in each renewal.
 */
const mostNodes = 2_000;

/** What a cluster of so many relays would have to do. */
export interface Cluster {
  readonly nodes: number;
  /** The part of all requests that another relay takes to the tunnel. */
  readonly hopShare: number;
  /** Of all relays together, in microseconds. */
  readonly relayUsPerRequest: number;
  /** How much of its core the process of each relay uses. */
  readonly relayLoad: number;
  readonly relayBytes: number;
  /** Links between relays: in all, and those that end at one of them. */
  readonly links: number;
  readonly linksOfRelay: number;
  /** What Redis does in a second. `deliveries`: events, each to each relay. */
  readonly redis: {
    readonly renewals: number;
    readonly compared: number;
    readonly lookUps: number;
    readonly changes: number;
    readonly deliveries: number;
    readonly load: number;
    /** Bytes a second that comparisons bring. */
    readonly comparedBytes: number;
    readonly bytes: number;
  };
  /**
   * When a relay dies: its clients, and what they are to Redis and to each other relay, in seconds of a core.
   */
  readonly death: {
    readonly clients: number;
    readonly redisSeconds: number;
    readonly relaySeconds: number;
    /**
     * Look-ups that visitors wait for afterwards, in seconds of Redis: each relay asks anew for each name.
     */
    readonly lookUpSeconds: number;
  };
  /** How much of the room of an answer the list of a relay's tunnels takes, for `mcp-tunnel status`. */
  readonly statusLoad: number;
}

/** @param nodes how many relays, from 1 on. @param at how often they do what they do by themselves. */
export function clusterOf(demand: Demand, nodes: number, costs: Constants, at: Times = times): Cluster {
  const { tunnels, requestsPerSecond: requests } = demand;
  const { redis, engine } = costs;
  const hopShare = (nodes - 1) / nodes;
  const each = tunnels / nodes;
  const returns = (tunnels * demand.returnsPerHour) / 3_600;
  const starts = (tunnels * demand.startsPerHour) / 3_600;
  // A client that comes back may reach any relay, and most are spliced then until they start anew.
  const splicedShare = hopShare * (demand.returnsPerHour / (demand.returnsPerHour + demand.startsPerHour));
  const lookUps = lookUpsOf(demand, nodes, at) * hopShare;
  // A link that is lost and back: two changes. A client that leaves and another that comes: release, claim.
  const changes = 2 * returns + 2 * starts;
  const deliveries = changes * nodes;
  const renewals = nodes / at.renewSeconds;
  const compared = tunnels / at.compareSeconds;
  const redisUs =
    renewals * (redis.renewUs + nodes * redis.renewEachUs) +
    compared * redis.compareUs +
    lookUps * redis.findUs +
    2 * returns * redis.changeUs +
    starts * (redis.claimUs + redis.releaseUs) +
    deliveries * redis.tellUs;
  const relayUsPerRequest =
    (1 - hopShare) * costs.aloneUs +
    hopShare * (costs.frontUs + costs.ownerUs) +
    splicedShare * costs.spliceUs;
  const relayUs =
    (requests * relayUsPerRequest +
      lookUps * engine.findUs +
      compared * engine.compareUs +
      tunnels * costs.idleUs +
      starts * costs.registerUs) /
      nodes +
    changes * engine.hearUs;
  const known = Math.min(knownOf(demand, nodes), bounds.maxKnown);
  return {
    nodes,
    hopShare,
    relayUsPerRequest,
    relayLoad: relayUs / 1e6,
    relayBytes: costs.relayBytes + each * costs.tunnelBytes + known * costs.knownBytes,
    links: nodes * (nodes - 1),
    linksOfRelay: 2 * (nodes - 1),
    redis: {
      renewals,
      compared,
      lookUps,
      changes,
      deliveries,
      load: redisUs / 1e6,
      comparedBytes: compared * costs.comparedBytes,
      bytes: tunnels * redis.bytesPerName,
    },
    death: {
      clients: each,
      redisSeconds: (each * (redis.claimUs + nodes * redis.tellUs)) / 1e6,
      relaySeconds: (each * (costs.registerUs / Math.max(nodes - 1, 1) + engine.hearUs)) / 1e6,
      lookUpSeconds: (knownOf(demand, nodes) * hopShare * nodes * redis.findUs) / 1e6,
    },
    statusLoad: (each * statusBytes) / bounds.maxAnswerBytes,
  };
}

/**
 * The fewest relays that can serve the demand, each within its core, its memory, its answer to `status` and
 * the time that it has for the clients of a relay that dies. Redis is not asked. `undefined`: there are none.
 */
export function smallestCluster(demand: Demand, costs: Constants, at: Times = times): Cluster | undefined {
  for (let nodes = fewestNodes; nodes <= mostNodes; nodes++) {
    const cluster = clusterOf(demand, nodes, costs, at);
    const { relayLoad, relayBytes, statusLoad, death } = cluster;
    const isBusy = relayLoad > mostLoad || death.relaySeconds > mostBusySeconds;
    if (!isBusy && relayBytes <= mostBytes && statusLoad <= 1) return cluster;
  }
  return undefined;
}

/** Names that visitors of one relay ask for. */
function knownOf({ tunnelsInUse, visitors }: Demand, nodes: number): number {
  return visitors === "anywhere" ? tunnelsInUse : tunnelsInUse / nodes;
}

/**
 * Look-ups in a second, of all relays, if every name were another relay's. A relay that has looked a name up
 * uses it for some seconds, and the next request after that looks again. Requests come at random.
 */
function lookUpsOf(demand: Demand, nodes: number, { freshSeconds }: Times): number {
  const places = knownOf(demand, nodes) * nodes;
  if (places === 0) return 0;
  const rate = demand.requestsPerSecond / places;
  return (places * rate) / (1 + rate * freshSeconds);
}

/** What is nearest to its bound: the name, and how much of it is used. */
export function tightest({ redis, relayLoad, statusLoad, relayBytes, linksOfRelay }: Cluster): {
  readonly what: string;
  readonly load: number;
} {
  const loads: Record<string, number> = {
    "Redis' core": redis.load / mostLoad,
    "a relay's core": relayLoad / mostLoad,
    "a relay's memory": relayBytes / mostBytes,
    "the answer to status": statusLoad,
    // 1 Gbit/s.
    "Redis' network": redis.comparedBytes / 125e6,
    // A relay has been tried with a few hundred links.
    "links of a relay": linksOfRelay / 500,
  };
  const [what, load] = Object.entries(loads).reduce((most, one) => (one[1] > most[1] ? one : most));
  return { what, load };
}
