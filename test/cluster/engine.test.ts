import { startTunnelClient } from "mcp-tunnel-client";
import { expect, it } from "vitest";
import { nextEvent } from "../resilience/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { eventually } from "./support/eventually.js";
import { note, repetitions, Times } from "./support/figures.js";
import { EchoSocket, EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const count = repetitions(1, 20);
const timeoutMs = 60_000 + count * 40_000;

/** Every name answers at every relay. */
async function allAnswer(world: World, names: readonly string[]): Promise<void> {
  for (const relay of world.relays) {
    for (const name of names) expect(await visit(relay.port, name, "/")).toMatchObject({ status: 200 });
  }
}

async function areInEngine(world: World, names: readonly string[]): Promise<boolean> {
  const keys = names.map((name) => `{mcp-tunnel}:name:${name}`);
  return (await world.redis?.command("EXISTS", ...keys)) === keys.length;
}

it.skipIf(noCluster)(
  `the engine is killed and comes back empty (${count} times): no live tunnel notices`,
  async () => {
    const world = closing(await World.start());
    const again = new Times();
    const names = ["a", "b", "c"];
    const clients = await Promise.all(names.map((name) => world.client(name)));
    const disturbed: unknown[] = [];
    const expectedCuts = { count: 0 };
    for (const client of clients) client.on("disconnected", (event) => disturbed.push(event));
    await allAnswer(world, names);
    const [front] = world.relays;
    const events = world.opened(await EventReader.open(front?.port ?? 0, "b"));
    const echo = world.opened(await EchoSocket.open(front?.port ?? 0, "c"));
    for (let i = 0; i < count; i++) {
      await world.redis?.kill();
      await allAnswer(world, names);
      const refused = startTunnelClient({
        port: world.service.port,
        relayUrl: `http://127.0.0.1:${world.relay(i % 3).port}`,
        subdomain: "new",
      });
      await expect(refused).rejects.toThrow(/1013/);
      // A client whose link is lost goes on with its session while the engine is down.
      expectedCuts.count += clients.length;
      const resumed = clients.map((client) => nextEvent(client, "connected"));
      world.clients.cut();
      for (const event of await Promise.all(resumed)) expect(event).toMatchObject({ resumed: true });
      await Promise.all([events.more(2), echo.more(2)]);
      await world.redis?.start();
      const startedAt = performance.now();
      await eventually(() => areInEngine(world, names), "all names are in the engine again");
      again.add(performance.now() - startedAt);
      await eventually(() => world.relays.every(({ isUp }) => isUp), "all relays are ready");
      await allAnswer(world, names);
    }
    expect(disturbed).toHaveLength(expectedCuts.count);
    note({
      failure: "Engine killed, restarted empty",
      repetitions: count,
      visitor: "nothing for live names",
      client: `new claims 1013 while it is down, resumes go on; lost claims are in the engine again after ${again}`,
    });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  `FLUSHALL (${count} times): names are claimed again by the next reconcile`,
  async () => {
    const world = closing(await World.start());
    const again = new Times();
    const names = ["a", "b", "c"];
    await Promise.all(names.map((name) => world.client(name)));
    const events = world.opened(await EventReader.open(world.relay(0).port, "b"));
    for (let i = 0; i < count; i++) {
      await world.redis?.command("FLUSHALL");
      const flushedAt = performance.now();
      // A relay that does not know a name yet takes the engine's word that nobody has it, until the
      // reconcile.
      await eventually(async () => {
        const answers = await Promise.all(
          world.relays.flatMap((relay) => names.map((name) => visit(relay.port, name, "/"))),
        );
        return answers.every(({ status }) => status === 200);
      }, "every name answers at every relay");
      again.add(performance.now() - flushedAt);
      await eventually(() => areInEngine(world, names), "all names are in the engine again");
      await events.more(2);
    }
    note({
      failure: "Engine emptied (FLUSHALL)",
      repetitions: count,
      visitor:
        "nothing for names that were visited at the relay before; others may get 502 until every name answers " +
        `again, ${again} later`,
      client: "notices nothing; its claim is in the engine again within 5 s",
    });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  "an engine that answers after a second slows claims down, and nothing else",
  async () => {
    const world = closing(await World.start());
    const names = ["a", "b", "c"];
    await Promise.all(names.map((name) => world.client(name)));
    await allAnswer(world, names);
    const events = world.opened(await EventReader.open(world.relay(0).port, "b"));
    for (const relay of world.relays) world.toEngine(relay, 500);
    const claim = new Times();
    await claim.of(world.client("late"));
    names.push("late");
    await allAnswer(world, names);
    for (const relay of world.relays) {
      for (const name of names) {
        const { status, ms } = await visit(relay.port, name, "/");
        expect(status).toBe(200);
        // Known names wait for no engine.
        expect(ms).toBeLessThan(900);
      }
    }
    // Leases of six seconds outlast it.
    await eventually(
      async () =>
        (await Promise.all(world.relays.map((relay) => relay.gauge("ready")))).every((is) => is === 1),
      "all leases are kept",
    );
    await events.more(700);
    for (const relay of world.relays) expect(await relay.gauge("ready")).toBe(1);
    note({
      failure: "Engine answers after 1 s",
      repetitions: 1,
      visitor: "nothing for known names; unknown names wait for the answer",
      client: `a claim takes ${claim}`,
    });
  },
  60_000,
);

it.skipIf(noCluster)(
  "an engine that hangs beyond all leases: no relay is worse than another, so balancers leave none",
  async () => {
    const world = closing(await World.start());
    const names = ["a", "b", "c"];
    const clients = await Promise.all(names.map((name) => world.client(name)));
    await allAnswer(world, names);
    const echo = world.opened(await EchoSocket.open(world.relay(0).port, "b"));
    const unready: number[] = [];
    world.redis?.signal("SIGSTOP");
    // The answers of a WebSocket are the clock: one each 10 ms, so more than a lease of six seconds.
    for (let i = 0; i < 10; i++) {
      await echo.more(100);
      for (const relay of world.relays) if ((await relay.gauge("ready")) === 0) unready.push(relay.index);
    }
    expect(unready).toEqual([]);
    await allAnswer(world, names);
    const resumed = clients.map((client) => nextEvent(client, "connected"));
    world.clients.cut();
    for (const event of await Promise.all(resumed)) expect(event).toMatchObject({ resumed: true });
    world.redis?.signal("SIGCONT");
    const late = async (): Promise<boolean> =>
      world.client("late").then(
        () => true,
        () => false,
      );
    await eventually(late, "claims are granted again");
    await allAnswer(world, [...names, "late"]);
    note({
      failure: "Engine hangs (SIGSTOP) beyond all leases",
      repetitions: 1,
      visitor: "nothing for live names; all relays stay ready, so balancers go on using them",
      client: "resumes go on; new claims 1013 until it answers",
    });
  },
  60_000,
);
