import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { granted, held, longTimes, type MakeState, TestCluster, tunnel } from "./test-cluster.js";

const leaseMs = 250;

export function nodesContract(make: MakeState): void {
  describe("nodes", () => {
    const closing = closingAfterEach();
    const start = async (times = {}) => closing(new TestCluster(await make({ ...longTimes, ...times })));

    it("knows the nodes that have joined, and tells of them", async () => {
      const cluster = await start();
      const a = await cluster.node();
      a.events.length = 0;
      const b = await cluster.node();
      await a.heard(({ kind }) => kind === "nodes");
      const infos = [a.info, b.info];
      for (const { engine } of [a, b]) expect(sorted(await engine.nodes())).toEqual(infos);
    });

    it("tells of a node that drains, and of one that leaves", async () => {
      const cluster = await start();
      const [a, b] = [await cluster.node(), await cluster.node()];
      await a.heard(({ kind }) => kind === "nodes");
      a.events.length = 0;
      await b.engine.renew({ ...b.info, draining: true });
      await a.heard(({ kind }) => kind === "nodes");
      expect(sorted(await a.engine.nodes())).toEqual([a.info, { ...b.info, draining: true }]);
      a.events.length = 0;
      await b.engine.leave(b.id);
      await a.heard(({ kind }) => kind === "nodes");
      expect(await a.engine.nodes()).toEqual([a.info]);
      await b.engine.leave(b.id);
    });

    it("lets a node join again after it was closed, and hear of others", async () => {
      const cluster = await start();
      const [a, b] = [await cluster.node(), await cluster.node()];
      await a.engine.leave(a.id);
      await a.engine.close();
      await a.engine.join(a.info);
      expect(sorted(await b.engine.nodes())).toEqual([a.info, b.info]);
      const heard = new Promise((resolve) => a.engine.watch(resolve));
      await b.engine.renew({ ...b.info, draining: true });
      expect(await heard).toEqual({ kind: "nodes" });
    });

    it("keeps the names of a node that has left, for their clients", async () => {
      const cluster = await start();
      const [a, b] = [await cluster.node(), await cluster.node()];
      const entry = await a.get("app", tunnel("x"));
      await a.engine.leave(a.id);
      expect(await b.engine.find("app")).toEqual([entry]);
      expect(await b.claim("app", tunnel("y"), { mayEvict: false })).toEqual({ refused: "taken" });
      expect(await b.claim("app", tunnel("x", { session: "x-2" }), { mayEvict: false })).toEqual(
        granted(entry),
      );
    });

    it("holds a node for dead when its lease has ended, until it renews it", async () => {
      const cluster = await start({ leaseMs });
      const [a, b] = [await cluster.node(), await cluster.node()];
      const entry = await a.get("app", tunnel("x"));
      await cluster.pass(leaseMs + 20);
      expect(await b.engine.nodes()).not.toContainEqual(a.info);
      expect(await b.engine.find("app")).toEqual([entry]);
      b.events.length = 0;
      await a.engine.renew(a.info);
      expect(await a.engine.nodes()).toContainEqual(a.info);
      await b.heard(({ kind }) => kind === "nodes");
      await a.engine.renew(a.info);
      expect(await a.engine.find("app")).toEqual([entry]);
    });

    it("keeps a node alive that renews its lease", async () => {
      const cluster = await start({ leaseMs });
      const [a, b] = [await cluster.node(), await cluster.node()];
      for (let isThere = true; isThere; ) {
        await cluster.pass(leaseMs / 5);
        await a.engine.renew(a.info);
        const ids = (await a.engine.nodes()).map(({ id }) => id);
        expect(ids).toContain(a.id);
        isThere = ids.includes(b.id);
      }
    });

    it("frees the names of a node that is dead for long", async () => {
      const cluster = await start({ leaseMs, keepNamesMs: 100 });
      const [a, b] = [await cluster.node(), await cluster.node()];
      const other = await b.get("other", tunnel("x"));
      const entry = await a.get("app", tunnel("x"));
      const renewed = async (): Promise<void> => {
        for (let passed = 0; passed <= leaseMs + 100; passed += 50) {
          await cluster.pass(50);
          await b.engine.renew(b.info);
        }
      };
      await renewed();
      await b.hearsOf("app", () => b.engine.reconcile(b.id, [held(other)]));
      expect(await b.engine.find("app")).toEqual([]);
      expect(await b.engine.release("app", entry.gen)).toBe(false);
      // The owner's limit does not count it any more, and no client has it.
      const terms = { mayEvict: false, maxOwned: 2 };
      expect(await b.claim("app", tunnel("y"), terms)).toEqual(granted());
      expect(await b.engine.verdict("x-1")).toBeUndefined();
    });

    it("gives a name to others at once when it has been kept long enough", async () => {
      const cluster = await start({ keepNamesMs: 100 });
      const [a, b] = [await cluster.node(), await cluster.node()];
      await a.get("app", tunnel("x"));
      await a.engine.leave(a.id);
      await cluster.pass(120);
      expect(await b.engine.find("app")).toEqual([]);
      const terms = { mayEvict: false, maxOwned: 1 };
      expect(await b.claim("app", tunnel("y"), terms)).toEqual(granted());
      expect(await b.engine.verdict("x-1")).toBeUndefined();
    });

    it("tells no more to a listener that has stopped", async () => {
      const cluster = await start();
      const [a, b] = [await cluster.node(), await cluster.node()];
      const told: string[] = [];
      const stop = a.engine.watch(({ kind }) => told.push(kind));
      await a.hearsOf("app", () => b.get("app", tunnel("x")));
      expect(told).toContain("name");
      stop();
      told.length = 0;
      await a.hearsOf("app", () => b.get("app", tunnel("y")));
      expect(told).toEqual([]);
    });
  });
}

function sorted<T extends { readonly id: string }>(nodes: readonly T[]): T[] {
  return nodes.toSorted((one, other) => (one.id < other.id ? -1 : 1));
}
