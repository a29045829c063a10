import { expect, it } from "vitest";
import { nextEvent } from "../resilience/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { eventually } from "./support/eventually.js";
import { note, repetitions, Times } from "./support/figures.js";
import { EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

// SIGSTOP: the process keeps its connections and its memory, answers nobody, and takes itself for alive when
// it goes on. A machine that swaps, or is moved while it runs, is like this.

const closing = closingAfterEach();
const count = repetitions(1, 20);

it.skipIf(noCluster)(
  `a relay that stands still beyond its lease (${count} times) goes on, and gives up what others have`,
  async () => {
    const world = closing(await World.start());
    const [taken, again] = [new Times(), new Times()];
    for (let i = 0; i < count; i++) {
      const [stopped, other, third] = [0, 1, 2].map((n) => world.relay((i + n) % 3)) as [
        ReturnType<World["relay"]>,
        ReturnType<World["relay"]>,
        ReturnType<World["relay"]>,
      ];
      const kept = await world.client("kept", { at: stopped });
      const contested = await world.client("contested", { at: stopped });
      const elsewhere = await world.client("elsewhere", { at: other });
      const untouched = await EventReader.open(third.port, "elsewhere");
      stopped.freeze();
      await eventually(async () => (await other.gauge("nodes")) === 2, "the others take it for dead");
      const displaced = nextEvent(contested, "closed");
      const winner = await taken.of(world.client("contested", { at: other }));
      expect(await visit(third.port, "contested", "/")).toMatchObject({ status: 200 });
      await untouched.more(2);
      const goneOnAt = performance.now();
      stopped.thaw();
      expect((await displaced).error).toMatchObject({ code: "evicted" });
      await eventually(() => stopped.isUp, "the balancer leads to it");
      await world.linked();
      // The one that held on to its connection is not asked to register anew.
      for (const relay of [stopped, other, third]) {
        for (const name of ["kept", "contested", "elsewhere"]) {
          expect(await visit(relay.port, name, "/")).toMatchObject({ status: 200 });
        }
      }
      again.add(performance.now() - goneOnAt);
      expect(winner.state).toBe("online");
      await Promise.all([untouched.close(), kept.close(), winner.close(), elsewhere.close()]);
    }
    note({
      failure: "SIGSTOP beyond the lease, then SIGCONT",
      repetitions: count,
      visitor: `its own wait; every name answers at every relay ${again} after it goes on`,
      client: `another client gets a name elsewhere in ${taken}; the one that had it: 4002 when the relay goes on`,
    });
  },
  60_000 + count * 60_000,
);
