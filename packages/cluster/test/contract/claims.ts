import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import {
  granted,
  evicted,
  longTimes,
  type MakeState,
  TestCluster,
  type TestNode,
  tunnel,
} from "./test-cluster.js";

export function claimsContract(make: MakeState): void {
  describe("claims", () => {
    const closing = closingAfterEach();
    let a: TestNode;
    let b: TestNode;

    beforeEach(async () => {
      const cluster = closing(new TestCluster(await make(longTimes)));
      a = await cluster.node();
      b = await cluster.node();
    });

    it("finds nobody at first, whatever the name", async () => {
      for (const name of ["app", "constructor", "__proto__"]) expect(await a.engine.find(name)).toEqual([]);
    });

    it("finds who has claimed a name, at every node, and under no other name", async () => {
      const entry = await a.get("app", tunnel("x", { takesRefusals: true }));
      const original = await b.get("constructor", tunnel(undefined));
      for (const { engine } of [a, b]) {
        expect(await engine.find("app")).toEqual([entry]);
        expect(await engine.find("constructor")).toEqual([original]);
        expect(await engine.find("App")).toEqual([]);
        expect(await engine.find("ap")).toEqual([]);
      }
    });

    it("keeps texts of clients as they are", async () => {
      const strange = `"é' \\ \u0000 \n \u{1f600} %s {}`;
      const entry = await a.get("app", tunnel(strange, { owner: strange, address: strange, pool: strange }));
      expect(await b.engine.find("app")).toEqual([entry]);
    });

    it("fences claims with the clock in microseconds, exactly", async () => {
      const before = Date.now() * 1_000;
      const { gen } = await a.get("app", tunnel("x"));
      expect(Number.isSafeInteger(gen)).toBe(true);
      // Two clocks may differ: that of the state, and that of this process.
      expect(gen).toBeGreaterThan(before - 1_000_000);
      for (const wrong of [gen - 1, gen + 1]) expect(await b.engine.release("app", wrong)).toBe(false);
      expect(await b.engine.release("app", gen)).toBe(true);
      expect(await b.engine.release("app", gen)).toBe(false);
      expect(await b.engine.find("app")).toEqual([]);
    });

    it("gives each claim of a name a greater number, also after a release", async () => {
      const gens: number[] = [];
      for (const instance of ["x", "y"]) {
        const { gen } = await a.get("app", tunnel(instance));
        gens.push(gen);
        await a.engine.release("app", gen);
      }
      expect(gens).toEqual(gens.toSorted((one, other) => one - other));
      const many = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? a : b).get("app", tunnel(`${at}`)));
      const entries = await Promise.all(many);
      expect(new Set([...gens, ...entries.map(({ gen }) => gen)]).size).toBe(42);
      const newest = entries.reduce((one, other) => (one.gen > other.gen ? one : other));
      expect(await b.engine.find("app")).toEqual([newest]);
    });

    it("settles claims at once one after another: each but the last is displaced by another", async () => {
      const claims = ["w", "x", "y", "z"].map((instance, at) => ({ node: at % 2 === 0 ? a : b, instance }));
      const answers = await Promise.all(
        claims.map(({ node, instance }) => node.claim("app", tunnel(instance))),
      );
      const displaced = answers.flatMap((answer) => ("gen" in answer ? answer.displaced : []));
      const holders = await a.engine.find("app");
      expect(new Set([...displaced, ...holders].map(({ info }) => info.instance))).toEqual(
        new Set(["w", "x", "y", "z"]),
      );
      expect(displaced).toHaveLength(3);
      expect(holders).toHaveLength(1);
    });

    it("gives a name to its newest claimant, with a verdict for the client that has lost it", async () => {
      const first = await a.get("app", tunnel("x"));
      const answer = await b.claim("app", tunnel("y"));
      expect(answer).toEqual(granted(first));
      expect((await a.engine.find("app")).map(({ info }) => info)).toEqual([tunnel("y")]);
      expect(await a.engine.verdict("x-1")).toEqual(evicted);
      expect(await a.engine.verdict("y-1")).toBeUndefined();
      expect(await a.engine.release("app", first.gen)).toBe(false);
      expect(await a.engine.find("app")).toHaveLength(1);
    });

    it("displaces a tunnel that has no session, and one whose client is an original", async () => {
      const first = await a.get("app", tunnel(undefined));
      expect(await b.claim("app", tunnel(undefined))).toEqual(granted(first));
    });

    it("refuses what may not evict while another client has the name", async () => {
      const entry = await a.get("app", tunnel("x"));
      const original = await a.get("old", tunnel(undefined));
      const others = [tunnel("y"), tunnel("x", { owner: "another" }), tunnel(undefined)];
      for (const info of others) {
        expect(await b.claim("app", info, { mayEvict: false })).toEqual({ refused: "taken" });
      }
      expect(await b.claim("old", tunnel(undefined), { mayEvict: false })).toEqual({ refused: "taken" });
      expect(await b.engine.find("app")).toEqual([entry]);
      expect(await b.engine.find("old")).toEqual([original]);
      expect(await b.engine.verdict("x-1")).toBeUndefined();
    });

    it("gives what may not evict a free name, and the name of its own client without a verdict", async () => {
      const first = await a.get("app", tunnel("x"), { mayEvict: false });
      const second = tunnel("x", { session: "x-2", address: "192.0.2.2" });
      expect(await b.claim("app", second, { mayEvict: false })).toEqual(granted(first));
      expect(await a.engine.verdict("x-1")).toBeUndefined();
    });

    it("tells all nodes of a claim, with the client that has displaced the older ones", async () => {
      const { gen } = await a.get("app", tunnel("x", { pool: "gate" }));
      const { instance, owner, address } = tunnel("x");
      for (const node of [a, b]) {
        await node.heard(
          (event) =>
            event.kind === "name" && event.gen === gen && event.name === "app" && event.by !== undefined,
        );
        const told = node.events.filter(({ kind }) => kind === "name");
        expect(told).toEqual([
          { kind: "name", name: "app", gen, by: { instance, owner, address }, pool: "gate" },
        ]);
      }
    });

    it("tells of a tunnel that is away or moves, and of a name that is free, without a client", async () => {
      const { gen } = await a.get("app", tunnel("x"));
      await b.heard((event) => event.kind === "name" && event.gen === gen);
      const last = () => b.events.findLast(({ kind }) => kind === "name");
      await b.hearsOf("app", () => a.engine.changed("app", gen, true));
      expect(last()).toEqual({ kind: "name", name: "app", gen });
      expect((await b.engine.find("app"))[0]?.moving).toBe(true);
      await b.hearsOf("app", () => a.engine.changed("app", gen, false));
      expect((await b.engine.find("app"))[0]?.moving).toBe(false);
      await b.hearsOf("app", () => a.engine.release("app", gen));
      expect(last()).toEqual({ kind: "name", name: "app", gen });
    });

    it("changes nothing for a tunnel that has lost its name", async () => {
      const first = await a.get("app", tunnel("x"));
      const second = await b.get("app", tunnel("y"));
      await a.engine.changed("app", first.gen, true);
      await a.engine.changed("free", first.gen, true);
      expect(await a.engine.find("app")).toEqual([second]);
      expect(await a.engine.find("free")).toEqual([]);
    });
  });
}
