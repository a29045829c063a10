import { expect, it } from "vitest";
import { nextEvent } from "../resilience/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { eventually } from "./support/eventually.js";
import { note, repetitions, Times } from "./support/figures.js";
import { SentinelRedis } from "./support/sentinel-redis.js";
import { EchoSocket, EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const count = repetitions(1, 20);

it.skipIf(noCluster)(
  `the primary dies with claims that no replica has (${count} times): live tunnels notice nothing`,
  async () => {
    const [again, claimed] = [new Times(), new Times()];
    for (let i = 0; i < count; i++) {
      const redis = closing(await SentinelRedis.start());
      const world = closing(await World.start({ engine: redis.url }));
      const kept = await world.client("kept", { at: world.relay(0) });
      await eventually(() => redis.isReplicated("kept"), "the replica has the first claim");
      await redis.stopReplication();
      const lost = await world.client("lost", { at: world.relay(0) });
      const displaced = await world.client("displaced", { at: world.relay(0) });
      const events = await EventReader.open(world.relay(1).port, "lost");
      const echo = await EchoSocket.open(world.relay(2).port, "kept");
      const evicted = nextEvent(displaced, "closed");
      await redis.primary.kill();
      const killedAt = performance.now();
      // A claim is tried again until there is a primary, which does not know who had the name.
      const winner = await claimed.of(
        world.client("displaced", { at: world.relay(1), token: "another", waitForRelay: true }),
      );
      expect((await evicted).error).toMatchObject({ code: "evicted" });
      await eventually(() => redis.isReplicated("lost"), "the lost claim is there again");
      for (const relay of world.relays) {
        await eventually(
          async () => (await visit(relay.port, "lost", "/")).status === 200,
          "the name of the lost claim answers",
        );
        for (const name of ["kept", "displaced"]) {
          expect(await visit(relay.port, name, "/")).toMatchObject({ status: 200 });
        }
      }
      again.add(performance.now() - killedAt);
      await Promise.all([events.more(2), echo.more(2)]);
      for (const client of [kept, lost, winner]) expect(client.state).toBe("online");
      await Promise.all([events.close(), echo.close()]);
      await world.close();
      await redis.close();
    }
    note({
      failure: "Sentinel failover with lost claims",
      repetitions: count,
      visitor: `nothing for live names; every name answers at every relay ${again} after the primary died`,
      client: `a new claim is granted after ${claimed}; lost claims are made again; displaced meanwhile: 4002`,
    });
  },
  60_000 + count * 60_000,
);
