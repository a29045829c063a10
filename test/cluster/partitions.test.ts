import { startTunnelClient } from "mcp-tunnel-client";
import { expect, it } from "vitest";
import { nextEvent } from "../resilience/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { eventually } from "./support/eventually.js";
import { note, repetitions, Times } from "./support/figures.js";
import { EchoSocket, EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

// Ways on which nothing passes: nobody is told, as when a cable is pulled.

const closing = closingAfterEach();
const count = repetitions(1, 20);
const timeoutMs = 60_000 + count * 60_000;

/** The relays of one repetition: another one is cut off each time. */
function roles(world: World, repetition: number) {
  const [a, b, c] = [0, 1, 2].map((i) => world.relay((repetition + i) % 3));
  if (a === undefined || b === undefined || c === undefined) throw new RangeError("three relays are needed");
  return { alone: a, other: b, third: c };
}

it.skipIf(noCluster)(
  `a relay without the engine (${count} times) serves on, is left by balancers, and takes its names back`,
  async () => {
    const world = closing(await World.start());
    const again = new Times();
    for (let i = 0; i < count; i++) {
      const { alone, other, third } = roles(world, i);
      const kept = await world.client("kept", { at: alone });
      const contested = await world.client("contested", { at: alone });
      const unknown = await world.client("unknown", { at: other });
      const events = await EventReader.open(other.port, "kept");
      const echo = await EchoSocket.open(alone.port, "kept");
      world.toEngine(alone, "silence");
      await eventually(async () => (await alone.gauge("ready")) === 0, "the lease is lost");
      await eventually(() => !alone.isUp, "the balancer has left it");
      // Live tunnels go on, and a name that this relay has never asked for is known to its fellows.
      expect(await visit(alone.port, "unknown", "/")).toMatchObject({ status: 200 });
      expect(await visit(third.port, "kept", "/")).toMatchObject({ status: 200 });
      const refused = startTunnelClient({
        port: world.service.port,
        relayUrl: `http://127.0.0.1:${alone.port}`,
        subdomain: "new",
        token: "of new",
      });
      await expect(refused).rejects.toThrow(/1013/);
      // Elsewhere another client takes a name. The one that had it is told when the engine is back.
      const displaced = nextEvent(contested, "closed");
      const winner = await world.client("contested", { at: other });
      expect(await visit(third.port, "contested", "/")).toMatchObject({ status: 200 });
      const healedAt = performance.now();
      world.toEngine(alone, undefined);
      await eventually(async () => (await alone.gauge("ready")) === 1, "the lease is back");
      again.add(performance.now() - healedAt);
      expect((await displaced).error).toMatchObject({ code: "evicted" });
      for (const relay of [alone, other, third]) {
        for (const name of ["kept", "contested", "unknown"]) {
          expect(await visit(relay.port, name, "/")).toMatchObject({ status: 200 });
        }
      }
      await Promise.all([events.more(2), echo.more(2)]);
      await Promise.all([events.close(), echo.close(), kept.close(), winner.close(), unknown.close()]);
      await eventually(() => alone.isUp, "the balancer leads to it");
    }
    note({
      failure: "Engine unreachable from one relay",
      repetitions: count,
      visitor:
        "nothing for live tunnels, and for names that were never asked for; balancers leave by /readyz",
      client: `new claims there 1013; the lease is back ${again} after the way; displaced meanwhile: 4002`,
    });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  `two relays without a way to one another (${count} times): requests wait, clients take the third`,
  async () => {
    const world = closing(await World.start());
    const [held, back] = [new Times(), new Times()];
    for (let i = 0; i < count; i++) {
      const { alone: front, other: owner, third } = roles(world, i);
      // A client that has just left may still be known where its relay and its visitors are the same.
      const name = `app-${i}`;
      const client = await world.client(name, { at: owner });
      const events = await EventReader.open(third.port, name);
      const broken = await EventReader.open(front.port, name);
      world.between(front, owner, "refuse");
      const refusedAt = performance.now();
      // The client comes to the relay that cannot reach its session, and is sent on.
      world.clientsGoTo = front;
      const lostLink = nextEvent(client, "disconnected");
      world.clients.cut();
      await lostLink;
      const sentOn = nextEvent(client, "reconnecting");
      expect((await sentOn).cause.message).toMatch(/1013|link was lost/);
      world.clientsGoTo = undefined;
      const resumed = await back.of(
        events.more(2).then(() => visit(third.port, name, "/").then(({ status }) => status)),
      );
      expect(resumed).toBe(200);
      const meanwhile = visit(front.port, name, "/bytes/1000");
      const isSoon = performance.now() - refusedAt < 8_000;
      world.between(front, owner, undefined);
      expect(await held.of(meanwhile)).toMatchObject({ status: 200 });
      if (isSoon) await broken.more(2);
      await Promise.all([events.close(), broken.close(), client.close()]);
      await world.linked();
    }
    note({
      failure: "Peer link down (two relays, while both have the engine)",
      repetitions: count,
      visitor: `held; after the link is back a held request is answered in ${held}, streams of up to 10 s go on`,
      client: `1013 there; its tunnel serves through the third relay after ${back}`,
    });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  "a request for a tunnel behind a peer link that stays down ends with 503, and costs no other anything",
  async () => {
    const world = closing(await World.start({ args: ["--hold-timeout", "2s"] }));
    const [front, owner, third] = [world.relay(0), world.relay(1), world.relay(2)];
    await world.client("app", { at: owner });
    expect(await visit(front.port, "app", "/")).toMatchObject({ status: 200 });
    world.between(front, owner, "refuse");
    const refused = await visit(front.port, "app", "/");
    expect(refused).toMatchObject({ status: 503 });
    expect(refused.ms).toBeLessThan(4_000);
    for (const relay of [owner, third])
      expect(await visit(relay.port, "app", "/")).toMatchObject({ status: 200 });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  `a relay is isolated (${count} times), serves what it has, and finds its way back`,
  async () => {
    const world = closing(await World.start());
    const [taken, again] = [new Times(), new Times()];
    for (let i = 0; i < count; i++) {
      const { alone, other, third } = roles(world, i);
      const kept = await world.client("kept", { at: alone });
      const contested = await world.client("contested", { at: alone });
      const elsewhere = await world.client("elsewhere", { at: other });
      const echo = await EchoSocket.open(alone.port, "kept");
      const events = await EventReader.open(third.port, "elsewhere");
      world.isolate(alone, "silence");
      await eventually(() => !alone.isUp, "the balancer has left it");
      await echo.more(2);
      expect(await visit(alone.port, "kept", "/")).toMatchObject({ status: 200 });
      const displaced = nextEvent(contested, "closed");
      const winner = await taken.of(world.client("contested", { at: other }));
      expect(await visit(third.port, "contested", "/")).toMatchObject({ status: 200 });
      // For the others its names are away: requests wait for the client.
      const waiting = visit(other.port, "kept", "/");
      const healedAt = performance.now();
      world.isolate(alone, undefined);
      expect((await displaced).error).toMatchObject({ code: "evicted" });
      expect(await waiting).toMatchObject({ status: 200 });
      await world.linked();
      await eventually(() => alone.isUp, "the balancer leads to it");
      for (const relay of [alone, other, third]) {
        for (const name of ["kept", "contested", "elsewhere"]) {
          expect(await visit(relay.port, name, "/")).toMatchObject({ status: 200 });
        }
      }
      again.add(performance.now() - healedAt);
      await Promise.all([events.more(2), echo.more(2)]);
      await Promise.all([events.close(), echo.close(), kept.close(), winner.close(), elsewhere.close()]);
    }
    note({
      failure: "Relay isolated from engine and peers",
      repetitions: count,
      visitor: `it serves what it has; balancers leave by /readyz; every name answers at every relay ${again} after the way is back`,
      client: `another client gets a name elsewhere in ${taken}; the one that had it: 4002 when the way is back`,
    });
  },
  timeoutMs,
);
