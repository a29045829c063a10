import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { longTimes, type MakeState, TestCluster } from "./test-cluster.js";

export function keepingContract(make: MakeState): void {
  describe("what is kept for all nodes", () => {
    const closing = closingAfterEach();
    const start = async (times = {}) => {
      const cluster = closing(new TestCluster(await make({ ...longTimes, ...times })));
      const [a, b] = [await cluster.node(), await cluster.node()];
      return { cluster, a: a.engine, b: b.engine };
    };

    it("remembers the newest verdict about a session", async () => {
      const { a, b } = await start();
      expect(await b.verdict("s")).toBeUndefined();
      await a.remember("s", { code: 4002, reason: "evicted" });
      await a.remember("s", { code: 4001, reason: "disconnected by the \u{1f600} operator" });
      expect(await b.verdict("s")).toEqual({ code: 4001, reason: "disconnected by the \u{1f600} operator" });
      expect(await b.verdict("other")).toBeUndefined();
    });

    it("forgets a verdict after its time", async () => {
      const { cluster, a, b } = await start({ verdictMs: 100 });
      await a.remember("s", { code: 4001, reason: "revoked" });
      await cluster.pass(120);
      expect(await b.verdict("s")).toBeUndefined();
    });

    it("takes a text only from a writer that has read the newest", async () => {
      const { a, b } = await start();
      expect(await a.read("key")).toBeUndefined();
      expect(await a.write("key", "early", 1)).toBe(false);
      expect(await a.write("key", "one", 0)).toBe(true);
      const first = await b.read("key");
      expect(first?.text).toBe("one");
      const { revision = 0 } = first ?? {};
      expect(revision).toBeGreaterThan(0);
      expect(await b.write("key", "again", 0)).toBe(false);
      expect(await b.write("key", "two\n\u{1f600}", revision)).toBe(true);
      expect(await a.write("key", "late", revision)).toBe(false);
      const second = await a.read("key");
      expect(second?.text).toBe("two\n\u{1f600}");
      expect(second?.revision).toBeGreaterThan(revision);
      expect(await a.read("other")).toBeUndefined();
    });

    it("lets one of several writers at once write", async () => {
      const { a, b } = await start();
      const writes = Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? a : b).write("key", `${at}`, 0));
      const written = await Promise.all(writes);
      expect(written.filter(Boolean)).toHaveLength(1);
      expect((await a.read("key"))?.text).toBe(`${written.indexOf(true)}`);
    });

    it("keeps a long text", async () => {
      const { a, b } = await start();
      const text = "0123456789abcdef".repeat(65_536);
      expect(await a.write("key", text, 0)).toBe(true);
      expect((await b.read("key"))?.text).toBe(text);
    });

    it("gives a lock to one node, which may take it again", async () => {
      const { a, b } = await start();
      const taken = await Promise.all([a.lock("key", "a", 60_000), b.lock("key", "b", 60_000)]);
      expect(taken.filter(Boolean)).toHaveLength(1);
      const [holder, other] = taken[0] ? (["a", "b"] as const) : (["b", "a"] as const);
      expect(await a.lock("key", holder, 60_000)).toBe(true);
      expect(await b.lock("key", other, 60_000)).toBe(false);
      expect(await b.lock("other", other, 60_000)).toBe(true);
    });

    it("gives a lock to another node after its time, which its holder can prolong", async () => {
      const { cluster, a, b } = await start();
      expect(await a.lock("key", "a", 100)).toBe(true);
      expect(await a.lock("key", "a", 200)).toBe(true);
      await cluster.pass(220);
      expect(await b.lock("key", "b", 60_000)).toBe(true);
      expect(await a.lock("key", "a", 100)).toBe(false);
    });
  });
}
