import { describe, expect, it } from "vitest";
import { held, TestNode, tunnel } from "../../packages/cluster/test/contract/test-cluster.js";
import { noRedis, redisEngine, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { closingAfterEach } from "../support/cleanup.js";

describe.skipIf(noRedis)("Redis with Sentinel", () => {
  const closing = closingAfterEach();

  /** A primary, a replica that has its data, and three sentinels that know both. */
  const start = async () => {
    const primary = closing(await RedisServer.start());
    const replica = closing(await RedisServer.start("--replicaof", "127.0.0.1", `${primary.port}`));
    const sentinels: RedisServer[] = [];
    for (let i = 0; i < 3; i++) sentinels.push(closing(await RedisServer.startSentinel(primary, 2)));
    for (const sentinel of sentinels) await until(() => knowsAll(sentinel));
    const url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/main`;
    const relay = async (id: string) => {
      const { engine, warnings } = closing(redisEngine({ url }));
      const node = new TestNode(engine, id);
      await engine.join(node.info);
      return { node, engine, warnings };
    };
    return { primary, replica, sentinels, url, relay };
  };

  it("goes on with the new primary; a lost claim comes back, and displaces none that is newer", async () => {
    const { primary, replica, relay } = await start();
    const [{ node: a, warnings }, { node: b }] = [await relay("a"), await relay("b")];
    const kept = await a.get("kept", tunnel("x"));
    await until(async () => (await replica.command("GET", "{mcp-tunnel}:name:kept")) !== null);
    // What is acknowledged from now on is lost with the primary.
    await stopReplication(primary);
    const lost = await a.get("lost", tunnel("x"));
    const displaced = await a.get("displaced", tunnel("x"));
    a.events.length = 0;
    b.events.length = 0;
    await primary.kill();
    for (const node of [a, b]) await node.heard(({ kind }) => kind === "nodes");
    expect(warnings.at(-1)).toBe(`connected to Redis at 127.0.0.1:${replica.port} again`);
    expect(await b.engine.find("lost")).toEqual([]);
    const newer = await b.get("displaced", tunnel("y"));
    expect(newer.gen).toBeGreaterThan(displaced.gen);
    const answer = await a.engine.reconcile("a", [kept, lost, displaced].map(held));
    expect(answer).toEqual([{ name: "displaced", gen: displaced.gen, by: { ...identity, instance: "y" } }]);
    await a.engine.renew(a.info);
    await b.engine.renew(b.info);
    for (const entry of [kept, lost, newer]) expect(await b.engine.find(entry.name)).toEqual([entry]);
    await b.hearsOf("lost", () => a.engine.release("lost", lost.gen));
  }, 60_000);

  it("leaves a primary that hangs, and does not follow it when it comes back as a replica", async () => {
    const { primary, replica, relay } = await start();
    const { node, engine } = await relay("a");
    node.events.length = 0;
    primary.signal("SIGSTOP");
    await expect(engine.find("app")).rejects.toMatchObject({ code: "unavailable" });
    await node.heard(({ kind }) => kind === "nodes");
    const entry = await node.get("app", tunnel("x"));
    primary.signal("SIGCONT");
    // Its connections end when it becomes a replica.
    const role = (): Promise<unknown> => primary.command("INFO", "replication").catch(() => "");
    await until(async () => String(await role()).includes("role:slave"));
    await until(async () => (await primary.command("GET", "{mcp-tunnel}:name:app")) !== null);
    expect(await engine.find("app")).toEqual([entry]);
    expect(await replica.command("GET", "{mcp-tunnel}:name:app")).toContain(`${entry.gen}`);
  }, 60_000);

  it("asks the sentinels that are left, and says what is wrong if none is", async () => {
    const { primary, sentinels, url, relay } = await start();
    await sentinels[0]?.kill();
    sentinels[1]?.signal("SIGSTOP");
    const { node } = await relay("a");
    expect(await node.get("app", tunnel("x"))).toBeDefined();
    await sentinels[2]?.kill();
    const failure = relay("b");
    await expect(failure).rejects.toMatchObject({ code: "unavailable" });
    await expect(failure).rejects.toThrow('no sentinel knows the primary of "main"');
    const [first] = sentinels;
    await first?.start();
    const { engine } = closing(redisEngine({ url: url.replace("/main", "/other") }));
    await expect(engine.nodes()).rejects.toThrow("it watches no servers of that name");
    // Of the sentinels alone depends who is asked: the primary was there all the time.
    expect(await primary.command("PING")).toBe("PONG");
  }, 60_000);

  const identity = { owner: "token", address: "192.0.2.1" };
});

async function knowsAll(sentinel: RedisServer): Promise<boolean> {
  const state = String(await sentinel.command("INFO", "sentinel"));
  return /status=ok,.*slaves=1,sentinels=3/.test(state);
}

/** The replica cannot connect again: it has no password. All who are connected stay so. */
async function stopReplication(primary: RedisServer): Promise<void> {
  await primary.command("CONFIG", "SET", "requirepass", "new");
  await primary.command("CLIENT", "KILL", "TYPE", "replica");
}

/** Waits for what a server of others comes to by itself, and tells nobody. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}
