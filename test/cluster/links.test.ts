import { expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { note, repetitions, Times } from "./support/figures.js";
import { nextEvent } from "../resilience/support.js";
import { EchoSocket, EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const count = repetitions(3, 100);

it.skipIf(noCluster)(
  `a lost link costs no visitor anything, at whatever relay the client comes back (${count} times)`,
  async () => {
    const world = closing(await World.start());
    const client = await world.client("app");
    const { port } = world.visitors;
    const events = world.opened(await EventReader.open(port, "app"));
    const echo = world.opened(await EchoSocket.open(port, "app"));
    const back = new Times();
    const held = new Times();
    for (let i = 0; i < count; i++) {
      const inFlight = visit(port, "app", "/slow?ms=300");
      const upload = visit(port, "app", "/hash", { method: "POST", body: Buffer.alloc(300_000, i) });
      await Promise.all([events.more(), echo.more()]);
      const resumed = nextEvent(client, "connected");
      world.clients.cut();
      const meanwhile = held.of(visit(port, "app", "/bytes/1000"));
      expect(await back.of(resumed)).toMatchObject({ resumed: true });
      expect(await inFlight).toMatchObject({ status: 200, text: "slow\n" });
      expect(JSON.parse((await upload).text)).toMatchObject({ length: 300_000 });
      expect(await meanwhile).toMatchObject({ status: 200 });
      await Promise.all([events.more(2), echo.more(2)]);
      // A link that lasts for less than 300 ms counts as none, and clients wait longer after each of these.
      await visit(port, "app", "/slow?ms=300");
    }
    note({
      failure: "Link lost, the client lands anywhere",
      repetitions: count,
      visitor:
        "requests in flight end with 200; event streams and WebSockets lose nothing; a request made meanwhile " +
        `is answered after ${held}`,
      client: `resumes after ${back}`,
    });
  },
  60_000 + count * 5_000,
);
