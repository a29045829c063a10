import { closeCodes, evictedReason, otherGateReason, type RequestHead } from "mcp-tunnel-protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Pool, Route, RouteHandler } from "../src/route.js";
import { FakeClaimant } from "./support/fake-claimant.js";
import { FakePool } from "./support/fake-pool.js";
import { settle, TestCluster, type TestNode } from "./support/test-cluster.js";

let cluster: TestCluster;
let a: TestNode;
let b: TestNode;
beforeEach(async () => {
  cluster = new TestCluster();
  a = await cluster.node("a");
  b = await cluster.node("b");
});
afterEach(() => cluster.close());

const head: RequestHead = { method: "GET", path: "/", headers: [] };

/** Opens a request, and resolves when it has been refused. */
async function refused(route: Route | Pool | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const handler: RouteHandler = {
      onAccepted() {},
      onRefused: resolve,
      onLimited() {},
      onData() {},
      onEnd() {},
      onReset() {},
    };
    if (route !== undefined && "open" in route) route.open(head, true, handler);
  });
}

/** Waits, as a request does, until the relay finds something that fits. */
async function waitFor(node: TestNode, fits: (route: Route | Pool | undefined) => boolean, withinMs: number) {
  for (let left = withinMs; left >= 0; left -= 100) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    if (fits(await node.find())) return;
    // oxlint-disable-next-line no-await-in-loop
    await cluster.pass(100);
  }
  throw new Error(`not so within ${withinMs} ms`);
}

const isServed = (route: Route | Pool | undefined): boolean => route !== undefined && !route.isAway;

describe("a name of another relay", () => {
  it("is found, and at once when it has been found before", async () => {
    await a.get(new FakeClaimant("app", "one"));
    const route = await b.find();
    expect(route).toMatchObject({ isAway: false, acceptsLater: true, wire: "v1" });
    expect(b.findNow()).toBe(route);
  });

  it("is asked for once, however many look for it", async () => {
    b.engine.calls.length = 0;
    await Promise.all([b.find(), b.find(), b.find()]);
    expect(b.engine.calls).toEqual(["find"]);
    // And not again for a moment, because strangers make names up.
    expect(b.findNow()).toBeUndefined();
  });

  it("is found at once after it was nobody's", async () => {
    expect(await b.find()).toBeUndefined();
    await a.get(new FakeClaimant("app", "one"));
    expect(b.told).toContain("app");
    expect(await b.find()).toMatchObject({ isAway: false });
  });

  it("is gone when its tunnel is over", async () => {
    const tunnel = new FakeClaimant("app", "one");
    await a.get(tunnel);
    await b.find();
    await a.member.directory.release(tunnel);
    await settle();
    expect(await b.find()).toBeUndefined();
  });

  it("is looked for again while it is in use, and no request waits for that", async () => {
    await a.get(new FakeClaimant("app", "one"));
    const route = await b.find();
    await cluster.pass(5_100);
    b.engine.calls.length = 0;
    expect(b.findNow()).toBe(route);
    await settle();
    expect(b.engine.calls).toContain("find");
    expect(b.findNow()).toBe(route);
  });

  it("is looked for again a few at a time, so that claims do not wait behind all names in use", async () => {
    const names = Array.from({ length: 60 }, (_, i) => `app-${i}`);
    for (const name of names) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await a.get(new FakeClaimant(name, "one"));
      // oxlint-disable-next-line no-await-in-loop
      await b.find(name);
    }
    await cluster.pass(5_100);
    const looks = async (): Promise<number> => {
      b.engine.calls.length = 0;
      for (const name of names) expect(b.findNow(name)).toMatchObject({ isAway: false });
      await settle();
      return b.engine.calls.filter((call) => call === "find").length;
    };
    expect(await looks()).toBe(50);
    expect(await looks()).toBe(10);
    expect(await looks()).toBe(0);
  });

  it("is not asked of the engine while this relay has it", async () => {
    const tunnel = new FakeClaimant("app", "one");
    tunnel.isAway = true;
    await a.get(tunnel);
    a.engine.calls.length = 0;
    expect(a.findNow()).toBe(tunnel);
    expect(a.engine.calls).toEqual([]);
  });
});

describe("a claim", () => {
  it("takes the name from another client at another relay, which is told", async () => {
    const first = new FakeClaimant("app", "one");
    const second = new FakeClaimant("app", "two");
    await a.get(first);
    // The relay of the claim displaces its own tunnels alone: the other one hears of it from its directory.
    expect(await b.get(second)).toEqual([]);
    expect(first.lostTo).toEqual(["two"]);
    expect(b.findNow()).toBe(second);
    expect(await a.find()).toMatchObject({ acceptsLater: true });
  });

  it("that may not evict is refused with 4002", async () => {
    const first = new FakeClaimant("app", "one");
    await a.get(first);
    const result = await b.claim(new FakeClaimant("app", "two"), { mayEvict: false });
    expect(result).toEqual({ refused: { code: closeCodes.evicted, reason: evictedReason } });
    expect(first.lostTo).toEqual([]);
  });

  it("of the same client takes the name from its own tunnel, wherever that is", async () => {
    const first = new FakeClaimant("app", "one");
    await a.get(first);
    await b.get(new FakeClaimant("app", "one"), { mayEvict: false });
    expect(first.lostTo).toEqual(["one"]);
  });

  it("is refused with 4001 when the token has tunnels enough at other relays", async () => {
    await a.get(new FakeClaimant("one", "one"));
    const result = await b.claim(new FakeClaimant("two", "two"), { maxOwned: 1 });
    const reason = "this token may have 1 tunnels at once";
    expect(result).toEqual({ refused: { code: closeCodes.authenticationFailed, reason } });
  });

  it("is displaced by a later one whose news comes before the answer to it", async () => {
    let answer!: () => void;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    a.engine.delay = (asked) => (asked === "claim" ? answered : Promise.resolve());
    const first = new FakeClaimant("app", "one");
    const claiming = a.claim(first);
    await settle();
    await b.get(new FakeClaimant("app", "two"));
    expect(first.lostTo).toEqual([]);
    answer();
    expect(await claiming).toEqual({ displaced: [] });
    expect(first.lostTo).toEqual(["two"]);
    expect(await a.find()).toMatchObject({ acceptsLater: true });
  });

  it("is displaced by a later one of the same relay whose answer comes first", async () => {
    let answer!: () => void;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    a.engine.delay = () => answered;
    a.engine.dropsEvents = true;
    const [first, second] = [new FakeClaimant("app", "one"), new FakeClaimant("app", "two")];
    const claiming = a.claim(first);
    await settle();
    a.engine.delay = async () => {};
    expect(await a.get(second)).toEqual([]);
    answer();
    expect(await claiming).toEqual({ displaced: [] });
    expect(first.lostTo).toEqual(["two"]);
    expect(a.findNow()).toBe(second);
  });

  it("leaves one holder when two clients fight for a name from two relays", async () => {
    const claimants: FakeClaimant[] = [];
    const fight = async (node: TestNode, instance: string): Promise<void> => {
      for (let round = 0; round < 20; round += 1) {
        const claimant = new FakeClaimant("app", instance);
        claimants.push(claimant);
        // oxlint-disable-next-line no-await-in-loop -- one claim after the other
        for (const displaced of await node.get(claimant)) displaced.displace(claimant.info);
      }
    };
    await Promise.all([fight(a, "one"), fight(b, "two")]);
    await settle();
    const holders = claimants.filter(({ lostTo }) => lostTo.length === 0);
    expect(holders).toHaveLength(1);
    expect(claimants.every(({ lostTo }) => lostTo.length <= 1)).toBe(true);
    const found = [await a.find(), await b.find()];
    expect(found).toContain(holders[0]);
    expect(found).toContainEqual(expect.objectContaining({ acceptsLater: true }));
  });
});

describe("a request that another relay refuses", () => {
  it("waits while the tunnel is away, and goes there when it is back", async () => {
    const tunnel = new FakeClaimant("app", "one");
    tunnel.isAway = true;
    await a.get(tunnel);
    await refused(await b.find());
    expect(await b.find()).toMatchObject({ isAway: true });
    b.told.length = 0;
    tunnel.isAway = false;
    a.member.directory.changed(tunnel);
    await settle();
    expect(b.told).toContain("app");
    expect(b.findNow()).toMatchObject({ isAway: false });
  });

  it("is woken also if nobody says that the tunnel is back", async () => {
    const tunnel = new FakeClaimant("app", "one");
    tunnel.isAway = true;
    await a.get(tunnel);
    b.engine.dropsEvents = true;
    await refused(await b.find());
    await b.find();
    tunnel.isAway = false;
    b.told.length = 0;
    await cluster.pass(600);
    expect(b.told).toEqual(["app"]);
    expect(b.findNow()).toMatchObject({ isAway: false });
    // Nobody waits any more, so nobody looks any more.
    b.engine.calls.length = 0;
    await cluster.pass(1_000);
    expect(b.engine.calls).not.toContain("find");
  });

  it("finds the new tunnel, also if nobody says that there is one", async () => {
    b.engine.dropsEvents = true;
    const first = new FakeClaimant("app", "one");
    await a.get(first);
    const old = await b.find();
    await a.member.directory.release(first);
    const c = await cluster.node("c");
    await c.get(new FakeClaimant("app", "one"));
    expect(b.findNow()).toBe(old);
    await refused(old);
    // The tunnel of the new relay, as soon as there is a link to it: the news of its relay was lost as well.
    await waitFor(b, isServed, 2_100);
    expect(await b.find()).not.toBe(old);
  });

  it("waits for a tunnel that its relay has asked to move", async () => {
    const tunnel = new FakeClaimant("app", "one");
    await a.get(tunnel);
    await b.find();
    tunnel.isMoving = true;
    a.member.directory.changed(tunnel);
    await settle();
    expect(await b.find()).toMatchObject({ isAway: true });
    await b.get(new FakeClaimant("app", "one"));
    expect(tunnel.lostTo).toEqual(["one"]);
  });
});

describe("relays that end together", () => {
  it("serve tunnels that were asked to move until these are gone", async () => {
    cluster.endTogether = () => Promise.resolve();
    const [c, d] = [await cluster.node("c"), await cluster.node("d")];
    const tunnel = new FakeClaimant("app", "one");
    await c.get(tunnel);
    await d.find();
    tunnel.isMoving = true;
    c.member.directory.changed(tunnel);
    await settle();
    expect(await d.find()).toMatchObject({ isAway: false });
    const { gen } = (await cluster.engine.find("app"))[0] ?? { gen: 0 };
    expect(c.member.directory.held("app", gen)).toBe(tunnel);
    expect(c.member.directory.answerHas("app")).toMatchObject([{ moving: true, takes: true }]);
  });

  it("wait for one another", async () => {
    const said: string[] = [];
    cluster.endTogether = async () => {
      said.push("idle");
    };
    await (await cluster.node("c")).member.awaitOthers();
    expect(said).toEqual(["idle"]);
    // Any other relay ends when it likes.
    await a.member.awaitOthers();
  });
});

describe("when a relay dies", () => {
  it("its names are away, those who wait are told, and its client is found elsewhere", async () => {
    const c = await cluster.node("c");
    await a.get(new FakeClaimant("app", "one"));
    expect(await c.find()).toMatchObject({ isAway: false });
    c.told.length = 0;
    a.kill();
    expect(c.told).toContain("app");
    expect(c.findNow()).toMatchObject({ isAway: true });
    // Long after its lease as well: the client is expected.
    await cluster.pass(10_000);
    expect(await c.find()).toMatchObject({ isAway: true });
    await b.get(new FakeClaimant("app", "one"), { mayEvict: false });
    expect(await c.find()).toMatchObject({ isAway: false });
  });

  it("its names are nobody's when their clients have not come back", async () => {
    await a.get(new FakeClaimant("app", "one"));
    a.kill();
    await cluster.pass(67_000);
    expect(await b.find()).toBeUndefined();
  });
});

describe("relays that the engine does not hear", () => {
  it("stay ready when it hears none of them: no other is better", async () => {
    for (const node of cluster.nodes.values()) node.engine.isDown = true;
    await cluster.pass(20_000);
    for (const { member } of cluster.nodes.values()) expect(member.isReady).toBe(true);
    // One of them has it back: visitors should go there.
    b.engine.isDown = false;
    await cluster.pass(4_100);
    expect([a, b].map(({ member }) => member.isReady)).toEqual([false, true]);
  });

  it("are not ready when one of the others cannot be asked: that one may be heard", async () => {
    const c = await cluster.node("c");
    for (const node of [a, b]) node.engine.isDown = true;
    for (const node of [a, b]) cluster.setReach(node, c, false);
    await cluster.pass(20_000);
    expect([a, b, c].map(({ member }) => member.isReady)).toEqual([false, false, true]);
  });

  it("stay ready when one of them ends meanwhile", async () => {
    const c = await cluster.node("c");
    for (const node of cluster.nodes.values()) node.engine.isDown = true;
    await cluster.pass(10_000);
    c.end();
    await cluster.pass(10_000);
    expect([a, b].map(({ member }) => member.isReady)).toEqual([true, true]);
  });
});

describe("a relay that the engine does not hear", () => {
  it("serves what it has, is not ready, and is ready again afterwards", async () => {
    const tunnel = new FakeClaimant("app", "one");
    await a.get(tunnel);
    a.isolate();
    expect(a.member.isReady).toBe(true);
    await cluster.pass(6_100);
    expect(a.member.isReady).toBe(false);
    expect(a.findNow()).toBe(tunnel);
    // Others have a link to it still.
    expect(await b.find()).toMatchObject({ isAway: false });
    a.isolate(false);
    await cluster.pass(2_100);
    expect(a.member.isReady).toBe(true);
    expect(a.findNow()).toBe(tunnel);
    expect(await b.find()).toMatchObject({ isAway: false });
  });

  it("loses what another client has claimed meanwhile", async () => {
    const tunnel = new FakeClaimant("app", "one");
    await a.get(tunnel);
    a.isolate();
    cluster.setReach(a, b, false);
    const later = new FakeClaimant("app", "two");
    await b.get(later);
    await cluster.pass(7_000);
    expect(tunnel.lostTo).toEqual([]);
    a.isolate(false);
    cluster.setReach(a, b, true);
    await cluster.pass(2_100);
    expect(tunnel.lostTo).toEqual(["two"]);
    expect(later.lostTo).toEqual([]);
    expect(await a.find()).toMatchObject({ isAway: false, acceptsLater: true });
  });

  it("gives back a name that was claimed there and let go again", async () => {
    const tunnel = new FakeClaimant("app", "one");
    await a.get(tunnel);
    a.isolate();
    await a.member.directory.release(tunnel);
    a.isolate(false);
    // The reconcile takes away what is older than a lease.
    await cluster.pass(12_000);
    expect(await b.find()).toBeUndefined();
  });
});

describe("while the engine is down", () => {
  beforeEach(async () => {
    await a.get(new FakeClaimant("app", "one"));
  });

  const setDown = (isDown: boolean): void => {
    for (const node of [a, b]) node.isolate(isDown);
  };

  it("no name can be claimed, and clients are told to come back", async () => {
    setDown(true);
    const result = await b.claim(new FakeClaimant("new", "two"));
    expect(result).toMatchObject({ refused: { code: closeCodes.tryAgainLater } });
  });

  it("a name that was found before is found at once", async () => {
    const route = await b.find();
    setDown(true);
    await cluster.pass(60_000);
    expect(b.findNow()).toBe(route);
    expect(b.findNow()).toMatchObject({ isAway: false });
  });

  it("other relays are asked for a name that was not", async () => {
    setDown(true);
    expect(await b.find()).toMatchObject({ isAway: false, acceptsLater: true });
  });

  it("requests for a name that no relay has wait until the engine knows", async () => {
    setDown(true);
    expect(await b.find("other")).toMatchObject({ isAway: true });
    setDown(false);
    b.told.length = 0;
    await cluster.pass(1_100);
    // This request looks again, as often as it is told.
    expect(b.told).toContain("other");
    await b.find("other");
    await cluster.pass(600);
    expect(await b.find("other")).toBeUndefined();
  });

  it("it may lose everything: the relays bring it back", async () => {
    await b.find();
    setDown(true);
    cluster.flush();
    setDown(false);
    await cluster.pass(5_100);
    const c = await cluster.node("c");
    expect(await c.find()).toMatchObject({ isAway: false });
  });

  it("a claim that it has forgotten loses to a later one", async () => {
    const c = await cluster.node("c");
    const forgotten = new FakeClaimant("late", "one");
    await a.get(forgotten);
    cluster.flush();
    // The engine's clock goes on. Its gens follow it, because it has forgotten the last one as well.
    await cluster.pass(100);
    const later = new FakeClaimant("late", "two");
    a.engine.dropsEvents = true;
    await c.get(later);
    expect(forgotten.lostTo).toEqual([]);
    await cluster.pass(5_100);
    expect(forgotten.lostTo).toEqual(["two"]);
    expect(later.lostTo).toEqual([]);
  });
});

describe("when all events are lost", () => {
  beforeEach(() => {
    for (const node of [a, b]) node.engine.dropsEvents = true;
  });

  it("a displaced tunnel hears it from the relay of its successor", async () => {
    const tunnel = new FakeClaimant("app", "one");
    await a.get(tunnel);
    await b.get(new FakeClaimant("app", "two"));
    expect(tunnel.lostTo).toEqual(["two"]);
  });

  it("and by the reconcile, if that relay cannot be reached", async () => {
    const tunnel = new FakeClaimant("app", "one");
    await a.get(tunnel);
    cluster.setReach(a, b, false);
    await b.get(new FakeClaimant("app", "two"));
    expect(tunnel.lostTo).toEqual([]);
    await cluster.pass(5_100);
    expect(tunnel.lostTo).toEqual(["two"]);
    expect(await a.find()).toMatchObject({ isAway: true });
    cluster.setReach(a, b, true);
    expect(await a.find()).toMatchObject({ isAway: false });
  });

  it("a request that waits for a dead relay's name finds it elsewhere within a look", async () => {
    const c = await cluster.node("c");
    await a.get(new FakeClaimant("app", "one"));
    await b.find();
    a.kill();
    await b.find();
    await cluster.pass(2_100);
    await c.get(new FakeClaimant("app", "one"), { mayEvict: false });
    await waitFor(b, isServed, 600);
  });

  it("relays that have come are known when the lease is renewed", async () => {
    const c = await cluster.node("c");
    c.engine.dropsEvents = true;
    await cluster.pass(2_100);
    expect(a.member.status()).toMatchObject({ nodes: 3, peers: 2 });
  });
});

describe("a pool", () => {
  const member = (instance: string, pool = "gate") => new FakeClaimant("app", instance, "token", { pool });

  const poolAt = async (node: TestNode): Promise<FakePool> => {
    const pool = await node.find();
    if (!(pool instanceof FakePool)) throw new Error("the name has no pool");
    return pool;
  };

  it("is served by tunnels of several relays", async () => {
    const own = member("one");
    await a.get(own);
    expect((await poolAt(a)).instances).toEqual(["one"]);
    await b.get(member("two"));
    expect(own.lostTo).toEqual([]);
    expect((await poolAt(a)).pick([], [])?.route).toBe(own);
    own.isAway = true;
    expect(await poolAt(a)).toMatchObject({ isAway: false });
    expect((await poolAt(a)).pick([], [])?.route).toMatchObject({ acceptsLater: true });
    for (const node of [a, b]) expect((await poolAt(node)).instances).toEqual(["one", "two"]);
  });

  it("is one pool for as long as its members are the same", async () => {
    await a.get(member("one"));
    await b.get(member("two"));
    const pool = await poolAt(a);
    await cluster.pass(6_000);
    expect(await poolAt(a)).toBe(pool);
    await settle();
    const made = a.poolsMade;
    expect(await poolAt(a)).toBe(pool);
    expect(a.poolsMade).toBe(made);
    await b.get(member("three"));
    expect((await poolAt(a)).members).toHaveLength(3);
  });

  it("is no other name's, if the relays of both are gone", async () => {
    await a.get(member("one"));
    await a.get(new FakeClaimant("other", "two", "another token", { pool: "gate" }));
    a.kill();
    // Its lease is over, and its names are still kept for its clients.
    await cluster.pass(6_100);
    const c = await cluster.node("c");
    expect((await poolAt(c)).instances).toEqual(["one"]);
    const other = await c.find("other");
    expect(other).toBeInstanceOf(FakePool);
    expect((other as FakePool).instances).toEqual(["two"]);
  });

  it("keeps its sessions for all relays, as long as their members are there", async () => {
    await a.get(member("one"));
    const two = member("two");
    await b.get(two);
    const here = await poolAt(a);
    const there = await poolAt(b);
    const chosen = there.members.find(({ route }) => route === two);
    if (chosen === undefined) throw new Error("the pool has lost a member");
    there.sessions.keep("digest", chosen);
    await settle();
    expect(await here.sessions.find("digest")).toMatchObject({ info: { instance: "two" } });
    expect(await here.sessions.find("another")).toBeUndefined();
    a.engine.isDown = true;
    expect(await here.sessions.find("digest")).toBeUndefined();
    a.engine.isDown = false;
    await b.member.directory.release(two);
    expect(await (await poolAt(a)).sessions.find("digest")).toBeUndefined();
  });

  it("finds a session at its member's newer tunnel, of which this relay has not heard yet", async () => {
    await a.get(member("one"));
    await b.get(member("two"));
    const pool = await poolAt(b);
    const before = pool.members.find(({ info }) => info.instance === "one");
    if (before === undefined) throw new Error("the pool has lost a member");
    pool.sessions.keep("digest", before);
    await settle();
    b.engine.dropsEvents = true;
    cluster.setReach(a, b, false);
    await a.get(member("one"));
    const found = await pool.sessions.find("digest");
    expect(found?.info.instance).toBe("one");
    expect(found?.route).not.toBe(before.route);
  });

  it("is looked at again while one member is away, for the requests of its sessions", async () => {
    await a.get(member("one"));
    const two = member("two");
    await b.get(two);
    const there = (await poolAt(a)).members.find(({ info }) => info.instance === "two");
    two.isAway = true;
    await refused(there?.route);
    a.engine.dropsEvents = true;
    const isBack = async () => (await poolAt(a)).members.every(({ route }) => !route.isAway);
    expect(await isBack()).toBe(false);
    two.isAway = false;
    a.told.length = 0;
    await cluster.pass(600);
    expect(a.told).toContain("app");
    expect(await isBack()).toBe(true);
  });

  it("loses its name as a whole to a client that serves alone, and refuses members with another gate", async () => {
    const members = [member("one"), member("two")] as const;
    await a.get(members[0]);
    await b.get(members[1]);
    const other = await b.claim(member("three", "another gate"));
    expect(other).toEqual({ refused: { code: closeCodes.authenticationFailed, reason: otherGateReason } });
    const alone = new FakeClaimant("app", "four");
    expect(await a.get(alone)).toEqual([members[0]]);
    expect(members[1].lostTo).toEqual(["four"]);
    expect(a.findNow()).toBe(alone);
  });

  it("replaces the older tunnel of a member's client alone", async () => {
    const members = [member("one"), member("two")] as const;
    await a.get(members[0]);
    await a.get(members[1]);
    await b.get(member("one"));
    expect(members.map(({ lostTo }) => lostTo)).toEqual([["one"], []]);
  });
});
