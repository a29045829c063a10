import { describe, expect, it } from "vitest";
import { clusterOf, type Demand, mostLoad, smallestCluster, tightest } from "../src/model/cluster-model.js";
import { measured, times } from "../src/model/constants.js";
import { modelReport } from "../src/model/report.js";

const demand: Demand = {
  tunnels: 100_000,
  requestsPerSecond: 10_000,
  tunnelsInUse: 10_000,
  returnsPerHour: 0.25,
  startsPerHour: 0.05,
  visitors: "anywhere",
};

describe("the model of a cluster", () => {
  it("has requests hop unless they happen to reach the tunnel's relay", () => {
    expect(clusterOf(demand, 1, measured).hopShare).toBe(0);
    expect(clusterOf(demand, 4, measured).hopShare).toBe(0.75);
    expect(clusterOf(demand, 1, measured).relayUsPerRequest).toBe(measured.aloneUs);
    const { relayUsPerRequest } = clusterOf({ ...demand, returnsPerHour: 0, startsPerHour: 1 }, 2, measured);
    expect(relayUsPerRequest).toBe((measured.aloneUs + measured.frontUs + measured.ownerUs) / 2);
  });

  it("links every relay with every other, both ways", () => {
    expect(clusterOf(demand, 10, measured)).toMatchObject({ links: 90, linksOfRelay: 18 });
  });

  it("compares each name every five seconds, whatever the relays are", () => {
    for (const nodes of [3, 30]) expect(clusterOf(demand, nodes, measured).redis.compared).toBe(20_000);
  });

  it("looks each name up once for the time that an answer is used, if it is asked for all the time", () => {
    const busy = { ...demand, tunnelsInUse: 10, requestsPerSecond: 1e6 };
    const { lookUps } = clusterOf(busy, 4, measured).redis;
    const places = 10 * 4 * 0.75;
    expect(lookUps).toBeCloseTo(places / times.freshSeconds, 1);
  });

  it("looks names up for nearly each request if a relay is seldom asked for the same", () => {
    const wide = { ...demand, tunnelsInUse: 100_000, requestsPerSecond: 1_000 };
    const { lookUps } = clusterOf(wide, 100, measured).redis;
    expect(lookUps).toBeGreaterThan(0.99 * 990);
    expect(lookUps).toBeLessThan(990);
    const byName = clusterOf({ ...wide, visitors: "by name" }, 100, measured).redis.lookUps;
    expect(byName).toBeLessThan(lookUps);
  });

  it("says what other times would spare Redis", () => {
    const [now, later] = [times, { ...times, compareSeconds: 50, freshSeconds: 50 }].map(
      (at) => clusterOf(demand, 10, measured, at).redis,
    );
    expect(later?.compared).toBe((now?.compared ?? 0) / 10);
    expect(later?.lookUps).toBeLessThan(now?.lookUps ?? 0);
  });

  it("tells each relay of each change", () => {
    const few = clusterOf(demand, 10, measured).redis;
    expect(few.deliveries).toBe(few.changes * 10);
  });

  it("asks for nothing where nobody visits", () => {
    const idle = { ...demand, tunnelsInUse: 0, requestsPerSecond: 0 };
    expect(clusterOf(idle, 3, measured).redis.lookUps).toBe(0);
  });

  it("takes the fewest relays that hold, and one less would not", () => {
    const cluster = smallestCluster({ ...demand, tunnels: 1_000_000, requestsPerSecond: 200_000 }, measured);
    expect(cluster?.relayLoad).toBeLessThanOrEqual(mostLoad);
    const nodes = cluster?.nodes ?? 0;
    expect(nodes).toBeGreaterThan(3);
    const fewer = clusterOf(
      { ...demand, tunnels: 1_000_000, requestsPerSecond: 200_000 },
      nodes - 1,
      measured,
    );
    const isOver = [fewer.relayLoad / mostLoad, fewer.statusLoad, fewer.death.relaySeconds / 10];
    expect(Math.max(...isOver)).toBeGreaterThan(1);
    expect(smallestCluster({ ...demand, requestsPerSecond: 1e12 }, measured)).toBeUndefined();
  });

  it("names what is nearest to its bound", () => {
    const cluster = clusterOf(demand, 10, measured);
    const redis = { ...cluster.redis, load: 50 };
    expect(tightest({ ...cluster, redis }).what).toBe("Redis' core");
    expect(tightest({ ...cluster, redis: { ...redis, load: 0, comparedBytes: 1e12 } }).what).toBe(
      "Redis' network",
    );
  });

  it("is shown up to a million tunnels", () => {
    expect(modelReport()).toContain("1,000,000 tunnels");
    expect(modelReport()).not.toMatch(/NaN|Infinity|undefined/);
  });
});
