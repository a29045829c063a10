import type { Choice, PoolMember, PoolSessions } from "mcp-tunnel-cluster/relay";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KeptSessions } from "../src/tunnels/pool-sessions.js";
import { Pools } from "../src/tunnels/pool.js";
import { FakeClaimant } from "../../cluster/test/support/fake-claimant.js";

const hourMs = 3_600_000;

/** What `random` gives, one after another; 0 when there is no more. */
let drawn: number[];
let pools: Pools;

beforeEach(() => {
  vi.useFakeTimers();
  drawn = [];
  pools = new Pools(() => drawn.shift() ?? 0);
});

afterEach(() => {
  vi.useRealTimers();
});

function member(instance: string): FakeClaimant {
  return new FakeClaimant("app", instance, "token", { pool: "gate" });
}

function placed(...members: FakeClaimant[]): PoolMember[] {
  return members.map((route) => ({ route, info: route.info }));
}

const withId = (id: string): string[] => ["Host", "app", "Mcp-Session-Id", id];
const answer = (id?: string, status = 200) => ({ status, headers: id === undefined ? [] : withId(id) });

/** Picks in this turn. */
function pick(
  members: FakeClaimant[],
  headers: string[] = [],
  refused: FakeClaimant[] = [],
): Choice | undefined {
  const choice = pools.of("app", placed(...members)).pick(headers, refused);
  if (choice instanceof Promise) throw new Error("the pool asked somebody");
  return choice;
}

describe("a request without a session", () => {
  it("goes to the less loaded of two members that are drawn", () => {
    const [a, b, c] = [member("a"), member("b"), member("c")];
    [a.streamCount, b.streamCount, c.streamCount] = [3, 2, 1];
    const cases: [number, number, FakeClaimant][] = [
      [0, 0, b],
      [0, 0.5, c],
      [0.4, 0, b],
      [0.4, 0.5, c],
      [0.9, 0, c],
      [0.999, 0.999, c],
    ];
    for (const [first, second, expected] of cases) {
      drawn = [first, second];
      expect(pick([a, b, c])?.route).toBe(expected);
    }
  });

  it("goes to the first drawn of two that are as busy, and to the only one", () => {
    const [a, b] = [member("a"), member("b")];
    drawn = [0.7];
    expect(pick([a, b])?.route).toBe(b);
    drawn = [0.2];
    expect(pick([a, b])?.route).toBe(a);
    expect(pick([a])?.route).toBe(a);
  });

  it("goes to no member that is away or has refused it, and waits if there is no other", () => {
    const [a, b] = [member("a"), member("b")];
    a.isAway = true;
    expect(pick([a, b])?.route).toBe(b);
    expect(pick([a, b], [], [b])).toBeUndefined();
    b.isAway = true;
    expect(pick([a, b])).toBeUndefined();
    expect(pools.of("app", placed(a, b)).isAway).toBe(true);
  });
});

describe("a member whose service cannot be reached", () => {
  function fail(at: FakeClaimant, times: number): void {
    for (let i = 0; i < times; i++) pick([at])?.onReset("upstream_unreachable");
  }

  it("is spared for ten seconds after three failures in a row", () => {
    const [a, b] = [member("a"), member("b")];
    fail(a, 2);
    expect(pick([a, b])?.route).toBe(a);
    fail(a, 1);
    expect(pick([a, b])?.route).toBe(b);
    vi.advanceTimersByTime(9_999);
    expect(pick([a, b])?.route).toBe(b);
    vi.advanceTimersByTime(1);
    expect(pick([a, b])?.route).toBe(a);
    // It has one try.
    fail(a, 1);
    expect(pick([a, b])?.route).toBe(b);
  });

  it("is as good as new after an answer", () => {
    const [a, b] = [member("a"), member("b")];
    fail(a, 2);
    pick([a])?.onHead(answer(undefined, 500));
    fail(a, 2);
    expect(pick([a, b])?.route).toBe(a);
  });

  it("is not spared for what goes wrong behind it, or for visitors that leave", () => {
    const [a, b] = [member("a"), member("b")];
    for (const code of ["upstream_failed", "upstream_timeout", "cancelled", "session_lost"] as const) {
      for (let i = 0; i < 3; i++) pick([a])?.onReset(code);
    }
    expect(pick([a, b])?.route).toBe(a);
  });

  it("gets requests if all fare so: the one that is spared the shortest", () => {
    const [a, b, c] = [member("a"), member("b"), member("c")];
    for (const one of [b, a, c]) {
      fail(one, 3);
      vi.advanceTimersByTime(1_000);
    }
    expect(pick([a, b, c])?.route).toBe(b);
    b.isAway = true;
    expect(pick([a, b, c])?.route).toBe(a);
    expect(pick([a, b, c], [], [a])?.route).toBe(c);
  });
});

describe("a session", () => {
  it("stays with the member that has begun it, however busy that is", () => {
    const [a, b] = [member("a"), member("b")];
    drawn = [0.7];
    pick([a, b])?.onHead(answer("s"));
    b.streamCount = 100;
    expect(pick([a, b], withId("s"))?.route).toBe(b);
    expect(pick([a, b], withId("S"))?.route).toBe(a);
    expect(pick([a, b], withId(""))?.route).toBe(a);
    // Names have sessions of their own.
    expect(pools.of("other", placed(a, b)).pick(withId("s"), [])).toMatchObject({ route: a });
  });

  it("is not begun by an error", () => {
    const [a, b] = [member("a"), member("b")];
    drawn = [0.7];
    pick([a, b])?.onHead(answer("s", 404));
    expect(pick([a, b], withId("s"))?.route).toBe(a);
  });

  it("waits for its member while that is away, or has refused the request", () => {
    const [a, b] = [member("a"), member("b")];
    drawn = [0.7];
    pick([a, b])?.onHead(answer("s"));
    expect(pick([a, b], withId("s"), [b])).toBeUndefined();
    b.isAway = true;
    expect(pick([a, b], withId("s"))).toBeUndefined();
    b.isAway = false;
    expect(pick([a, b], withId("s"))?.route).toBe(b);
  });

  it("is begun anew elsewhere when its member has gone, or its service cannot be reached", () => {
    const [a, b] = [member("a"), member("b")];
    drawn = [0.7];
    pick([a, b])?.onHead(answer("s"));
    expect(pick([a], withId("s"))?.route).toBe(a);
    for (let i = 0; i < 3; i++) pick([b])?.onReset("upstream_unreachable");
    expect(pick([a, b], withId("s"))?.route).toBe(a);
  });

  it("stays with the client when that has another tunnel, also after all members were gone", () => {
    const [a, b] = [member("a"), member("b")];
    drawn = [0.7];
    pick([a, b])?.onHead(answer("s"));
    const next = member("b");
    expect(pick([a, next], withId("s"))?.route).toBe(next);
  });

  it("is forgotten an hour after its last request", () => {
    const [a, b] = [member("a"), member("b")];
    drawn = [0.7];
    pick([a, b])?.onHead(answer("s"));
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(hourMs - 1);
      expect(pick([a, b], withId("s"))?.route).toBe(b);
    }
    vi.advanceTimersByTime(hourMs);
    expect(pick([a, b], withId("s"))?.route).toBe(a);
    expect(pools.sessions.size).toBe(0);
  });
});

describe("sessions that other relays know", () => {
  class FakeSessions implements PoolSessions {
    readonly kept: [string, PoolMember][] = [];
    readonly asked: string[] = [];

    keep(digest: string, at: PoolMember): void {
      this.kept.push([digest, at]);
    }

    async find(digest: string): Promise<PoolMember | undefined> {
      this.asked.push(digest);
      return this.kept.findLast(([kept]) => kept === digest)?.[1];
    }
  }

  it("are asked for once, by a digest, and found at their member", async () => {
    const [a, b] = [member("a"), member("b")];
    const known = new FakeSessions();
    drawn = [0.7];
    (await pools.of("app", placed(a, b), known).pick([], []))?.onHead(answer("s"));
    expect(known.kept).toEqual([[expect.stringMatching(/^[\w-]{43}$/), { route: b, info: b.info }]]);
    // Another relay has heard nothing of it.
    pools = new Pools(() => 0);
    const pool = pools.of("app", placed(a, b), known);
    expect((await pool.pick(withId("s"), []))?.route).toBe(b);
    expect(pool.pick(withId("s"), [])).toMatchObject({ route: b });
    expect(known.asked).toEqual([known.kept[0]?.[0]]);
    expect((await pool.pick(withId("t"), []))?.route).toBe(a);
  });

  it("are told of again now and then, so that they are not forgotten while in use", async () => {
    const a = member("a");
    const known = new FakeSessions();
    const pool = pools.of("app", placed(a), known);
    (await pool.pick([], []))?.onHead(answer("s"));
    // Most services name the session only once.
    const ask = async (): Promise<void> => (await pool.pick(withId("s"), []))?.onHead(answer());
    for (let i = 0; i < 10; i++) await ask();
    expect(known.kept).toHaveLength(1);
    vi.advanceTimersByTime(900_000);
    for (let i = 0; i < 10; i++) await ask();
    expect(known.kept).toHaveLength(2);
  });

  it("are so many of a name in an hour, whatever its service answers", async () => {
    const a = member("a");
    const known = new FakeSessions();
    const pool = pools.of("app", placed(a), known);
    const choice = await pool.pick([], []);
    for (let i = 0; i < 10_100; i++) choice?.onHead(answer(String(i)));
    expect(known.kept).toHaveLength(10_000);
    const other = pools.of("other", placed(a), known);
    (await other.pick([], []))?.onHead(answer("s"));
    expect(known.kept).toHaveLength(10_001);
    vi.advanceTimersByTime(3_600_000);
    choice?.onHead(answer("new"));
    expect(known.kept).toHaveLength(10_002);
  });
});

describe("the table of sessions", () => {
  it("holds so many of a name: those that were used last", () => {
    const table = new KeptSessions();
    table.keep("other", "0", "x");
    for (let i = 0; i < 10_000; i++) table.keep("app", String(i), "x");
    expect(table.find("app", "0")).toBeDefined();
    table.keep("app", "new", "x");
    expect(table.find("app", "1")).toBeUndefined();
    for (const digest of ["0", "2", "new"]) expect(table.find("app", digest)).toMatchObject({ member: "x" });
    expect(table.find("other", "0")).toBeDefined();
    expect(table.size).toBe(10_001);
  });

  it("holds so many of all names: those of the name that was used last", () => {
    const table = new KeptSessions();
    for (let name = 0; name < 11; name++) {
      for (let i = 0; i < 10_000; i++) table.keep(`app-${name}`, String(i), "x");
    }
    expect(table.size).toBe(100_000);
    expect(table.find("app-0", "9999")).toBeUndefined();
    expect(table.find("app-10", "0")).toBeDefined();
  });

  it("moves a session to the member that has answered last", () => {
    const table = new KeptSessions();
    table.keep("app", "s", "x").toldAt = 1;
    expect(table.keep("app", "s", "x").toldAt).toBe(1);
    expect(table.keep("app", "s", "y")).toMatchObject({ member: "y", toldAt: Number.NEGATIVE_INFINITY });
    expect(table.size).toBe(1);
  });
});
