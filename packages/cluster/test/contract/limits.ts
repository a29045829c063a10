import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { longTimes, type MakeState, TestCluster, type TestNode, tunnel } from "./test-cluster.js";

const granted = { gen: expect.any(Number), displaced: expect.any(Array) };

export function limitsContract(make: MakeState): void {
  describe("limits", () => {
    const closing = closingAfterEach();
    let a: TestNode;
    let b: TestNode;

    beforeEach(async () => {
      const cluster = closing(new TestCluster(await make(longTimes)));
      a = await cluster.node();
      b = await cluster.node();
    });

    it("counts the names of a token over all nodes, and those of no other token", async () => {
      await a.get("one", tunnel("x"));
      await b.get("two", tunnel("y"));
      await b.get("three", tunnel("z", { owner: "another" }));
      expect(await a.claim("four", tunnel("w"), { maxOwned: 2 })).toEqual({ refused: "limit" });
      expect(await a.engine.find("four")).toEqual([]);
      expect(await a.claim("four", tunnel("w"), { maxOwned: 3 })).toEqual(granted);
    });

    it("does not count a name that is free again", async () => {
      const { gen } = await a.get("one", tunnel("x"));
      await b.engine.release("one", gen);
      expect(await b.claim("two", tunnel("x"), { maxOwned: 1 })).toEqual(granted);
    });

    it("does not count what the claim displaces", async () => {
      await a.get("one", tunnel("x"));
      expect(await b.claim("one", tunnel("x"), { maxOwned: 1 })).toEqual(granted);
      expect(await b.claim("one", tunnel("y"), { maxOwned: 1 })).toEqual(granted);
      expect(await b.claim("two", tunnel("y"), { maxOwned: 1 })).toEqual({ refused: "limit" });
    });

    it("counts a tunnel no more that another token has displaced", async () => {
      await a.get("one", tunnel("x"));
      await b.get("one", tunnel("y", { owner: "another" }));
      expect(await a.claim("two", tunnel("x"), { maxOwned: 1 })).toEqual(granted);
    });

    it("does not count a tunnel that moves", async () => {
      const { gen } = await a.get("one", tunnel("x"));
      await a.engine.changed("one", gen, true);
      expect(await b.claim("two", tunnel("y"), { maxOwned: 1 })).toEqual(granted);
      await a.engine.changed("one", gen, false);
      expect(await b.claim("three", tunnel("y"), { maxOwned: 2 })).toEqual({ refused: "limit" });
    });

    it("changes nothing when it refuses", async () => {
      await a.get("one", tunnel("x"));
      const other = await b.get("two", tunnel("y", { owner: "another" }));
      expect(await a.claim("two", tunnel("x"), { maxOwned: 1 })).toEqual({ refused: "limit" });
      expect(await a.claim("two", tunnel("x"), { maxOwned: 1, mayEvict: false })).toEqual({
        refused: "taken",
      });
      expect(await a.engine.find("two")).toEqual([other]);
      expect(await a.engine.verdict("y-1")).toBeUndefined();
    });

    it("counts each member of a pool", async () => {
      const member = (instance: string) => tunnel(instance, { pool: "gate" });
      await a.get("one", member("x"));
      expect(await b.claim("one", member("y"), { maxOwned: 1 })).toEqual({ refused: "limit" });
      expect(await b.claim("one", member("x"), { maxOwned: 1 })).toEqual(granted);
      expect(await b.claim("one", member("y"), { maxOwned: 2 })).toEqual(granted);
      expect(await a.claim("two", tunnel("z"), { maxOwned: 2 })).toEqual({ refused: "limit" });
      // The whole pool makes way.
      expect(await a.claim("one", tunnel("z"), { maxOwned: 1 })).toEqual(granted);
    });

    it("lets no token beyond its limit by claims at once", async () => {
      const claims = Array.from({ length: 24 }, (_, at) =>
        (at % 2 === 0 ? a : b).claim(`name${at}`, tunnel(`${at}`), { maxOwned: 5 }),
      );
      const answers = await Promise.all(claims);
      expect(answers.filter((answer) => "gen" in answer)).toHaveLength(5);
      expect(answers.filter((answer) => "refused" in answer && answer.refused === "limit")).toHaveLength(19);
    });
  });
}
