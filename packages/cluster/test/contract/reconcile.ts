import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { evicted, held, inOrder, longTimes, type MakeState, TestCluster, tunnel } from "./test-cluster.js";

export function reconcileContract(make: MakeState): void {
  describe("reconcile", () => {
    const closing = closingAfterEach();
    const start = async (times = {}) => {
      const cluster = closing(new TestCluster(await make({ ...longTimes, ...times })));
      return { cluster, a: await cluster.node(), b: await cluster.node(), c: await cluster.node() };
    };
    const x = { instance: "x", owner: "token", address: "192.0.2.1" };
    const y = { ...x, instance: "y" };

    it("leaves alone what is as it should be, and tells nobody", async () => {
      const { a, b } = await start();
      const [entry, pooled] = [
        await a.get("app", tunnel("x")),
        await a.get("pool", tunnel("x", { pool: "" })),
      ];
      await b.get("pool", tunnel("y", { pool: "" }));
      await b.heard((event) => event.kind === "name" && event.name === "pool" && event.gen > pooled.gen);
      b.events.length = 0;
      expect(await a.engine.reconcile(a.id, [held(entry), held(pooled)])).toEqual([]);
      expect(await a.engine.reconcile("unheard", [])).toEqual([]);
      expect(await a.engine.find("app")).toEqual([entry]);
      await b.hearsOf("other", () => a.get("other", tunnel("x")));
      expect(b.events.map((event) => event.kind === "name" && event.name)).toEqual(["other"]);
    });

    it("puts back what the engine has lost, as if it were claimed again", async () => {
      const { a, b } = await start();
      const entry = { ...(await a.get("app", tunnel("x"))), moving: true };
      await b.heard((event) => event.kind === "name" && event.gen === entry.gen);
      await b.hearsOf("app", () => a.engine.release("app", entry.gen));
      await b.hearsOf("app", async () => {
        expect(await a.engine.reconcile(a.id, [held(entry)])).toEqual([]);
      });
      expect(b.events).toEqual([{ kind: "name", name: "app", gen: entry.gen, by: x, pool: undefined }]);
      expect(await b.engine.find("app")).toEqual([entry]);
      expect(await b.engine.release("app", entry.gen)).toBe(true);
    });

    it("gives greater numbers than those that were put back, whatever the clock says", async () => {
      const { a, b } = await start();
      const { gen } = await a.get("seen", tunnel("x"));
      const ahead = { ...held(await a.get("app", tunnel("x"))), gen: gen + 3_600_000_000 };
      expect(await a.engine.reconcile(a.id, [ahead])).toEqual([]);
      expect((await b.get("app", tunnel("y"))).gen).toBeGreaterThan(ahead.gen);
    });

    it("says what was lost to another node, until it is not held any more", async () => {
      const { a, b } = await start();
      const [app, own] = [await a.get("app", tunnel("x")), await a.get("own", tunnel("x"))];
      await b.get("app", tunnel("y"));
      await b.get("own", tunnel("x", { session: "x-2" }));
      for (let time = 0; time < 2; time++) {
        const lost = await a.engine.reconcile(a.id, [held(app), held(own)]);
        expect(lost).toHaveLength(2);
        expect(lost).toContainEqual({ name: "app", gen: app.gen, by: y });
        expect(lost).toContainEqual({ name: "own", gen: own.gen, by: x });
      }
      expect(await a.engine.reconcile(a.id, [])).toEqual([]);
    });

    it("does not put back a tunnel whose name another client took and left", async () => {
      const { a, b } = await start();
      const entry = await a.get("app", tunnel("x"));
      const { gen } = await b.get("app", tunnel("y"));
      await b.engine.release("app", gen);
      expect(await a.engine.reconcile(a.id, [held(entry)])).toEqual([{ name: "app", gen: entry.gen, by: y }]);
      expect(await a.engine.find("app")).toEqual([]);
    });

    it("displaces an older claim that was put back first", async () => {
      const { a, b, c } = await start();
      const older = { ...(await a.get("one", tunnel("x"))), name: "app" };
      const newer = { ...(await b.get("two", tunnel("y"))), name: "app" };
      expect(await a.engine.reconcile(a.id, [held(older)])).toEqual([]);
      expect(await b.engine.reconcile(b.id, [held(newer)])).toEqual([]);
      await a.heard((event) => event.kind === "name" && event.name === "app" && event.gen === newer.gen);
      expect(await c.engine.find("app")).toEqual([newer]);
      expect(await a.engine.verdict("x-1")).toEqual(evicted);
      expect(await a.engine.reconcile(a.id, [held(older)])).toEqual([{ name: "app", gen: older.gen, by: y }]);
    });

    it("puts members of a pool back beside one another", async () => {
      const { a, b } = await start();
      const first = await a.get("app", tunnel("x", { pool: "" }));
      const second = await b.get("app", tunnel("y", { pool: "" }));
      for (const { gen } of [first, second]) await a.engine.release("app", gen);
      expect(await b.engine.reconcile(b.id, [held(second)])).toEqual([]);
      expect(await a.engine.reconcile(a.id, [held(first)])).toEqual([]);
      expect(inOrder(await a.engine.find("app"))).toEqual([first, second]);
    });

    it("takes away what the node does not hold, but no claim whose answer may be on its way", async () => {
      const { cluster, a, b } = await start({ leaseMs: 200 });
      const [stays, goes] = [await a.get("stays", tunnel("x")), await a.get("goes", tunnel("x"))];
      const foreign = await b.get("foreign", tunnel("x"));
      await cluster.pass(220);
      const young = await a.get("young", tunnel("x"));
      await a.engine.renew(a.info);
      await b.engine.renew(b.info);
      await b.hearsOf("goes", async () => {
        expect(await a.engine.reconcile(a.id, [held(stays)])).toEqual([]);
      });
      const found = (name: string) => b.engine.find(name);
      expect(await found("goes")).toEqual([]);
      expect(await found("stays")).toEqual([stays]);
      expect(await found("young")).toEqual([young]);
      expect(await found("foreign")).toEqual([foreign]);
      expect(await b.engine.release("goes", goes.gen)).toBe(false);
    });

    it("corrects whether a tunnel moves", async () => {
      const { a, b } = await start();
      const entry = await a.get("app", tunnel("x"));
      await b.hearsOf("app", () => a.engine.reconcile(a.id, [{ ...held(entry), moving: true }]));
      expect(await b.engine.find("app")).toEqual([{ ...entry, moving: true }]);
    });

    it("gives a node that comes back its names again, unless others have claimed them", async () => {
      const { cluster, a, b } = await start({ keepNamesMs: 100 });
      const entries = [await a.get("free", tunnel("x")), await a.get("taken", tunnel("x"))];
      await a.engine.leave(a.id);
      await cluster.pass(120);
      await b.engine.reconcile(b.id, []);
      expect(await b.engine.find("free")).toEqual([]);
      await b.get("taken", tunnel("y"));
      await a.engine.join(a.info);
      expect(await a.engine.reconcile(a.id, entries.map(held))).toEqual([
        { name: "taken", gen: entries[1]?.gen, by: y },
      ]);
      expect(await b.engine.find("free")).toEqual(entries.slice(0, 1));
    });

    it("puts back no tunnel whose client has a verdict, however long its node was dead", async () => {
      const { cluster, a, b } = await start({ keepNamesMs: 100 });
      const entry = await a.get("app", tunnel("x"));
      await a.engine.leave(a.id);
      const { gen } = await b.get("app", tunnel("y"));
      await b.engine.release("app", gen);
      await cluster.pass(120);
      await b.engine.reconcile(b.id, []);
      await a.engine.join(a.info);
      expect(await a.engine.reconcile(a.id, [held(entry)])).toEqual([{ name: "app", gen: entry.gen, by: y }]);
      expect(await b.engine.find("app")).toEqual([]);
    });

    it("takes thousands of tunnels", async () => {
      const { a, b } = await start();
      const { gen } = await a.get("app", tunnel("x"));
      const many = Array.from({ length: 3_000 }, (_, at) => ({
        ...held({ name: `name${at}`, node: a.id, gen: gen + at, info: tunnel(`${at}`), moving: false }),
      }));
      expect(await a.engine.reconcile(a.id, many)).toEqual([]);
      expect((await b.engine.find("name2999"))[0]?.gen).toBe(gen + 2_999);
      expect(await a.engine.reconcile(a.id, many)).toEqual([]);
    });
  });
}
