import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { V1Client } from "../../packages/relay/test/support.js";
import { ask } from "../admin/support.js";
import { nextEvent } from "../resilience/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { eventually } from "./support/eventually.js";
import { note } from "./support/figures.js";
import { EchoSocket, EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

// What should not happen, and does.

const closing = closingAfterEach();
const clockSkew = fileURLToPath(new URL("support/clock-skew.mjs", import.meta.url));

describe.skipIf(noCluster)("relays", () => {
  it("whose clocks differ by hours agree on who has a name, and since when it is away", async () => {
    const world = closing(await World.start());
    for (const [relay, hours] of [
      [world.relay(0), 5],
      [world.relay(1), -5],
    ] as const) {
      await relay.stop();
      relay.extraEnv = {
        TEST_CLOCK_SKEW_MS: `${hours * 3_600_000}`,
        NODE_OPTIONS: `--import ${clockSkew}`,
      };
      await relay.start();
    }
    await world.linked();
    for (let i = 0; i < 6; i++) {
      const [before, after] = [world.relay(i % 3), world.relay((i + 1) % 3)];
      const first = await world.client("app", { at: before });
      const evicted = nextEvent(first, "closed");
      const second = await world.client("app", { at: after });
      expect((await evicted).error).toMatchObject({ code: "evicted" });
      for (const relay of world.relays)
        expect(await visit(relay.port, "app", "/")).toMatchObject({ status: 200 });
      const resumed = nextEvent(second, "connected");
      world.clientsGoTo = before;
      world.clients.cut();
      expect(await resumed).toMatchObject({ resumed: true });
      world.clientsGoTo = undefined;
      await second.close();
    }
    note({
      failure: "Clocks of relays differ by ten hours",
      repetitions: 6,
      visitor: "nothing",
      client: "the later claim has the name at every relay; resumes go on",
    });
  }, 90_000);

  it("of which one cannot be reached, but reaches all, serve what has a way, and nobody waits elsewhere", async () => {
    const world = closing(await World.start({ args: ["--hold-timeout", "2s"] }));
    const [deaf, other, third] = [world.relay(0), world.relay(1), world.relay(2)];
    await world.client("behind", { at: deaf });
    await world.client("open", { at: other });
    const events = world.opened(await EventReader.open(deaf.port, "open"));
    const broken = world.opened(await EventReader.open(other.port, "behind"));
    for (const from of [other, third]) deaf.peerGate.rule(from.address, "silence");
    const cutAt = performance.now();
    await eventually(async () => (await other.gauge("peers")) === 1, "the silence is noticed");
    expect(await deaf.gauge("ready")).toBe(1);
    expect(await visit(deaf.port, "open", "/")).toMatchObject({ status: 200 });
    expect(await visit(deaf.port, "behind", "/")).toMatchObject({ status: 200 });
    expect(await visit(third.port, "open", "/")).toMatchObject({ status: 200 });
    expect(await visit(other.port, "behind", "/")).toMatchObject({ status: 503 });
    await events.more(2);
    const noticedMs = performance.now() - cutAt;
    for (const from of [other, third]) deaf.peerGate.rule(from.address, undefined);
    await world.linked();
    expect(await visit(other.port, "behind", "/")).toMatchObject({ status: 200 });
    if (noticedMs < 15_000) await broken.more(2);
    note({
      failure: "Peer port of one relay unreachable, its lease kept",
      repetitions: 1,
      visitor: "its tunnels: held, then 503 at the others; all else goes on, and its own visitors are served",
      client: "notices nothing",
    });
  }, 90_000);

  it("of which two say that they are at one address keep the names of the one that is there", async () => {
    const world = closing(await World.start({ args: ["--hold-timeout", "2s"] }));
    const [genuine, mistaken, third] = [world.relay(0), world.relay(1), world.relay(2)];
    await world.client("genuine", { at: genuine });
    const echo = world.opened(await EchoSocket.open(third.port, "genuine"));
    await mistaken.stop();
    mistaken.extraArgs = ["--peer-advertise", `127.0.0.1:${genuine.peerGate.port}`];
    await mistaken.start();
    await world.client("lonely", { at: mistaken });
    await mistaken.seesOthers(2);
    for (const relay of world.relays) {
      expect(await visit(relay.port, "genuine", "/")).toMatchObject({ status: 200 });
    }
    expect(await visit(mistaken.port, "lonely", "/")).toMatchObject({ status: 200 });
    expect(await visit(third.port, "lonely", "/")).toMatchObject({ status: 503 });
    await echo.more(2);
    // While the mistaken one started anew, its own port was closed, which is another reason.
    const reasons = third.command.json.filter(({ msg }) => msg === "no link to another relay");
    expect(reasons.map(({ reason }) => reason).join("\n")).toMatch(/another relay is at this address/);
    // The operator is told by any relay which of them is silent.
    expect((await ask(`${third.admin}/api/tunnels`)).json).toMatchObject({ silent: [mistaken.node] });
    note({
      failure: "Two relays advertise one address",
      repetitions: 1,
      visitor:
        "the one that is there is served from everywhere; tunnels of the other: held, then 503 elsewhere",
      client: "notices nothing; logs and `status` name the relay",
    });
  }, 90_000);

  it("do not wait for a client's link that is half open: its tunnel goes on over the next one", async () => {
    const world = closing(await World.start());
    const client = closing(await V1Client.connect(world.relay(0).port, "app"));
    const visited = visit(world.relay(2).port, "app", "/");
    const { stream } = await client.accept();
    // The old link is neither closed nor silent for long: the client simply has another one.
    await client.resume(world.relay(1).port);
    stream.sendHead({ status: 200, headers: ["Content-Length", "4"] });
    stream.write(Buffer.from("done"));
    stream.end();
    expect(await visited).toMatchObject({ status: 200, text: "done" });
  }, 60_000);
});
