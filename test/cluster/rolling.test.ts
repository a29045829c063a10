import { expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { note, repetitions, Times } from "./support/figures.js";
import { Load } from "./support/load.js";
import { EchoSocket, EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const count = repetitions(1, 20);
/** Requests take at most half a second, so all of them end within it. */
const graceMs = 5_000;

it.skipIf(noCluster)(
  `a rolling restart of three relays under load (${count} times) fails no request that ends within the grace`,
  async () => {
    const args = ["--shutdown-grace", `${graceMs}ms`, "--startup-hold", "5s"];
    const world = closing(await World.start({ args }));
    const names = ["one", "two", "three", "four"];
    const clients = await Promise.all(names.map((name) => world.client(name)));
    const lost: unknown[] = [];
    for (const client of clients) client.on("disconnected", (event) => lost.push(event));
    const load = new Load(world.visitors.port, names);
    const [again, drains] = [new Times(), new Times()];
    let cut = 0;
    for (let i = 0; i < count; i++) {
      for (const relay of world.relays) {
        // Ends within the grace; its events come every 10 ms.
        const short = await EventReader.open(relay.port, "one", 10, 50);
        const long = await EventReader.open(relay.port, "two");
        const echo = await EchoSocket.open(relay.port, "three");
        const stopped = drains.of(relay.stop());
        // Not one visitor has to wait for the relay that goes.
        expect(await visit(world.visitors.port, "four", "/")).toMatchObject({ status: 200 });
        const isWhole = await short.ended;
        expect({ isWhole, events: short.count }).toEqual({ isWhole: true, events: 50 });
        await long.ended;
        await echo.closed;
        cut += 2;
        await again.of(
          Promise.all([
            EventReader.open(world.visitors.port, "two").then((reader) => reader.close()),
            EchoSocket.open(world.visitors.port, "three").then((socket) => socket.close()),
          ]),
        );
        expect(await stopped).toEqual({ code: 0, signal: null });
        await relay.start();
        await world.linked();
      }
    }
    const { served, failures, slowestMs } = await load.stop();
    expect(failures).toEqual([]);
    expect(served).toBeGreaterThan(100 * count);
    expect(lost).toEqual([]);
    note({
      failure: "Rolling restart of three relays under load",
      repetitions: count,
      visitor:
        `none of ${served} requests failed (slowest ${Math.round(slowestMs)} ms); ${cut} longer streams were cut ` +
        `at the end of the grace of ${graceMs / 1_000} s, and served again after ${again}`,
      client: `goes elsewhere at once; a relay ends after ${drains}`,
    });
  },
  60_000 + count * 60_000,
);
