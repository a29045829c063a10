import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import type { ClaimantInfo } from "../../src/directory.js";
import { stickyMs } from "../../src/engine/engine.js";
import {
  granted,
  evicted,
  inOrder,
  longTimes,
  type MakeState,
  TestCluster,
  type TestNode,
  tunnel,
} from "./test-cluster.js";

const member = (instance: string, over: Partial<ClaimantInfo> = {}): ClaimantInfo =>
  tunnel(instance, { pool: "gate", ...over });

export function poolsContract(make: MakeState, clock: "fake" | "real"): void {
  describe("pools", () => {
    const closing = closingAfterEach();
    let cluster: TestCluster;
    let a: TestNode;
    let b: TestNode;

    beforeEach(async () => {
      cluster = closing(new TestCluster(await make(longTimes)));
      a = await cluster.node();
      b = await cluster.node();
    });

    it("lets several clients of one token have a name together, even those that may not evict", async () => {
      const entries = [
        await a.get("app", member("x")),
        await b.get("app", member("y")),
        await b.get("app", member("z"), { mayEvict: false }),
      ];
      expect(inOrder(await a.engine.find("app"))).toEqual(entries);
      expect(await b.claim("app", member("w"))).toEqual(granted());
      expect(await b.engine.verdict("x-1")).toBeUndefined();
    });

    it("knows the pool of clients without a gate", async () => {
      const first = await a.get("app", member("x", { pool: "" }));
      const second = await b.get("app", member("y", { pool: "" }));
      expect(inOrder(await a.engine.find("app"))).toEqual([first, second]);
    });

    it("replaces a member by a new tunnel of its client, and leaves the others", async () => {
      const first = await a.get("app", member("x"));
      const other = await a.get("app", member("y"));
      expect(await b.claim("app", member("x", { session: "x-2" }))).toEqual(granted(first));
      const found = inOrder(await a.engine.find("app"));
      expect(found.map(({ info }) => info.session)).toEqual(["y-1", "x-2"]);
      expect(found[0]).toEqual(other);
      expect(await a.engine.verdict("x-1")).toBeUndefined();
    });

    it("displaces a whole pool for a client that wants the name alone, if that may evict", async () => {
      const entries = [await a.get("app", member("x")), await b.get("app", member("y"))];
      expect(await b.claim("app", tunnel("z"), { mayEvict: false })).toEqual({ refused: "taken" });
      const answer = await b.claim("app", tunnel("z"));
      if ("refused" in answer) throw new Error(answer.refused);
      expect(answer.displaced).toHaveLength(2);
      expect(answer.displaced).toEqual(expect.arrayContaining(entries));
      expect(await a.engine.find("app")).toHaveLength(1);
      for (const session of ["x-1", "y-1"]) expect(await a.engine.verdict(session)).toEqual(evicted);
    });

    it("displaces a client that has the name alone for a pool, if that may evict", async () => {
      const alone = await a.get("app", tunnel("x"));
      expect(await b.claim("app", member("y"), { mayEvict: false })).toEqual({ refused: "taken" });
      expect(await b.claim("app", member("y"))).toEqual(granted(alone));
      expect(await b.engine.verdict("x-1")).toEqual(evicted);
    });

    it("lets a client change between a pool and the name alone, if there is no other member", async () => {
      const alone = await a.get("app", tunnel("x"));
      expect(await a.claim("app", member("x"), { mayEvict: false })).toEqual(granted(alone));
      expect(await a.claim("app", tunnel("x"), { mayEvict: false })).toMatchObject({
        gen: expect.any(Number),
      });
      await a.get("app", member("x"));
      await a.get("app", member("y"));
      expect(await a.claim("app", tunnel("x"), { mayEvict: false })).toEqual({ refused: "taken" });
    });

    it("makes no pool of clients with different tokens", async () => {
      const first = await a.get("app", member("x"));
      const other = member("y", { owner: "another" });
      expect(await b.claim("app", other, { mayEvict: false })).toEqual({ refused: "taken" });
      expect(await a.engine.find("app")).toEqual([first]);
      expect(await b.claim("app", other)).toEqual(granted(first));
    });

    it("refuses a client of the same token whose gate is another, also one that may evict", async () => {
      const first = await a.get("app", member("x"));
      const second = await a.get("app", member("y"));
      for (const pool of ["", "another"]) {
        for (const mayEvict of [true, false]) {
          // Nor does a member get in by a change of its gate.
          for (const instance of ["y", "z"]) {
            const answer = await b.claim("app", member(instance, { pool }), { mayEvict });
            expect(answer).toEqual({ refused: "gate" });
          }
        }
      }
      expect(inOrder(await a.engine.find("app"))).toEqual([first, second]);
      // The reason that a person can do something about comes first.
      const last = await b.claim("app", member("z", { pool: "" }), { maxOwned: 0 });
      expect(last).toEqual({ refused: "gate" });
    });

    it("lets the last member change its gate", async () => {
      const first = await a.get("app", member("x"));
      const changed = await b.claim("app", member("x", { pool: "another" }), { mayEvict: false });
      expect(changed).toEqual(granted(first));
    });

    it("releases one member", async () => {
      const [first, second] = [await a.get("app", member("x")), await b.get("app", member("y"))];
      expect(await a.engine.release("app", first.gen)).toBe(true);
      expect(await a.engine.find("app")).toEqual([second]);
    });

    it("remembers which member has a session, at every node", async () => {
      const { gen } = await a.get("app", member("x"));
      const other = await a.get("app", member("y"));
      await a.engine.stick("app", "d1", gen);
      expect(await b.engine.stuck("app", "d1")).toBe(gen);
      expect(await b.engine.stuck("app", "d2")).toBeUndefined();
      expect(await b.engine.stuck("ap", "d1")).toBeUndefined();
      await b.engine.stick("app", "d1", other.gen);
      expect(await a.engine.stuck("app", "d1")).toBe(other.gen);
    });

    it("finds a member's sessions at its client's new tunnel, until the member is gone", async () => {
      const { gen } = await a.get("app", member("x"));
      await a.get("app", member("y"));
      await a.engine.stick("app", "d", gen);
      const next = await b.get("app", member("x", { session: "x-2" }));
      expect(await a.engine.stuck("app", "d")).toBe(next.gen);
      const last = await a.get("app", member("x", { session: "x-3" }));
      expect(await a.engine.stuck("app", "d")).toBe(last.gen);
      await a.engine.release("app", last.gen);
      expect(await a.engine.stuck("app", "d")).toBeUndefined();
      await a.engine.stick("app", "d2", gen);
      expect(await a.engine.stuck("app", "d2")).toBeUndefined();
    });

    // An hour of a real clock is too long.
    if (clock === "real") return;
    it("forgets a session that nobody asked for during an hour", async () => {
      const { gen } = await a.get("app", member("x"));
      await a.engine.stick("app", "d", gen);
      for (let hours = 0; hours < 3; hours++) {
        await cluster.pass(stickyMs - 1);
        await a.engine.renew(a.info);
        expect(await a.engine.stuck("app", "d")).toBe(gen);
      }
      await cluster.pass(stickyMs);
      await a.engine.renew(a.info);
      expect(await a.engine.stuck("app", "d")).toBeUndefined();
    });
  });
}
