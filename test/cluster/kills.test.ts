import { expect, it } from "vitest";
import { nextEvent } from "../resilience/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { note, repetitions, Times } from "./support/figures.js";
import { EchoSocket, EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

// SIGKILL, which gives a relay no time for anything. One tunnel stands by in each test: neither its relay nor
// the relay of its visitors is killed, so it must not notice.

const closing = closingAfterEach();
const count = repetitions(2, 100);
const timeoutMs = 60_000 + count * 20_000;

/** The relays of one repetition: another one is killed each time. */
function roles(world: World, repetition: number) {
  const [a, b, c] = [0, 1, 2].map((i) => world.relay((repetition + i) % 3));
  if (a === undefined || b === undefined || c === undefined) throw new RangeError("three relays are needed");
  return { killed: a, other: b, third: c };
}

it.skipIf(noCluster)(
  `the owner is killed (${count} times): its requests end, new ones wait for the client`,
  async () => {
    const world = closing(await World.start());
    const [held, back] = [new Times(), new Times()];
    for (let i = 0; i < count; i++) {
      const { killed: owner, other: front, third } = roles(world, i);
      const bystander = await world.client("bystander", { at: third });
      const untouched = await EventReader.open(front.port, "bystander");
      const client = await world.client("app", { at: owner });
      const events = await EventReader.open(front.port, "app");
      const asked = world.service.nextRequest();
      const inFlight = visit(front.port, "app", "/hang").catch((error: unknown) => error);
      await asked;
      const returned = back.of(nextEvent(client, "connected"));
      await owner.kill();
      const meanwhile = held.of(visit(front.port, "app", "/bytes/1000"));
      expect(await inFlight).toMatchObject({ status: 502 });
      expect(await events.ended).toBe(false);
      expect(await returned).toMatchObject({ resumed: false });
      expect(await meanwhile).toMatchObject({ status: 200 });
      for (const relay of [front, third])
        expect(await visit(relay.port, "app", "/")).toMatchObject({ status: 200 });
      await untouched.more(2);
      await Promise.all([untouched.close(), client.close(), bystander.close(), owner.start()]);
      await world.linked();
    }
    note({
      failure: "Owner killed",
      repetitions: count,
      visitor: `in flight: 502, streams are cut; a request made meanwhile is answered after ${held}`,
      client: `a new session after ${back}`,
    });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  `the owner's machine vanishes without a word (${repetitions(1, 20)} times): the client waits for its lease`,
  async () => {
    const world = closing(await World.start());
    const [held, back] = [new Times(), new Times()];
    for (let i = 0; i < repetitions(1, 20); i++) {
      const { killed: owner, other: front, third } = roles(world, i);
      const client = await world.client("app", { at: owner });
      expect(await visit(front.port, "app", "/")).toMatchObject({ status: 200 });
      const returned = back.of(nextEvent(client, "connected"));
      await owner.vanish([front, third]);
      const meanwhile = held.of(visit(front.port, "app", "/bytes/1000"));
      expect(await returned).toMatchObject({ resumed: false });
      expect(await meanwhile).toMatchObject({ status: 200 });
      await client.close();
      for (const { address } of [front, third]) owner.peerGate.rule(address, undefined);
      owner.peerGate.cut();
      await owner.start();
      await world.linked();
    }
    note({
      failure: "Owner's machine gone, its peers hear nothing",
      repetitions: repetitions(1, 20),
      visitor: `a request made meanwhile is answered after ${held}`,
      client: `a new session after ${back}: its relay counts as alive for 6 s`,
    });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  `the front is killed (${count} times): its own visitors are cut, and served elsewhere at once`,
  async () => {
    const world = closing(await World.start());
    const again = new Times();
    for (let i = 0; i < count; i++) {
      const { killed: front, other: owner, third } = roles(world, i);
      const client = await world.client("app", { at: owner });
      const disturbed: unknown[] = [];
      client.on("disconnected", (event) => disturbed.push(event));
      const untouched = await EventReader.open(third.port, "app");
      const events = await EventReader.open(front.port, "app");
      const gone = world.service.nextAbort();
      await front.kill();
      expect(await events.ended).toBe(false);
      // The service hears that the visitor is gone.
      await gone;
      const answer = await again.of(visit(world.visitors.port, "app", "/bytes/1000"));
      expect(answer).toMatchObject({ status: 200 });
      await untouched.more(2);
      expect(disturbed).toEqual([]);
      await Promise.all([untouched.close(), client.close(), front.start()]);
      await world.linked();
    }
    note({
      failure: "Front killed",
      repetitions: count,
      visitor: `its own visitors are cut; those who come back are answered after ${again}; others notice nothing`,
      client: "notices nothing",
    });
  },
  timeoutMs,
);

it.skipIf(noCluster)(
  `the splicing relay is killed (${count} times): the client resumes through another, nothing is lost`,
  async () => {
    const world = closing(await World.start());
    const [held, back] = [new Times(), new Times()];
    for (let i = 0; i < count; i++) {
      const { killed: splicer, other: owner, third: front } = roles(world, i);
      const client = await world.client("app", { at: owner });
      const events = await EventReader.open(front.port, "app");
      const echo = await EchoSocket.open(front.port, "app");
      world.clientsGoTo = splicer;
      const moved = nextEvent(client, "connected");
      world.clients.cut();
      expect(await moved).toMatchObject({ resumed: true });
      world.clientsGoTo = undefined;
      expect(await splicer.gauge("splices", { direction: "out" })).toBe(1);
      const inFlight = visit(front.port, "app", "/slow?ms=300");
      await Promise.all([events.more(2), echo.more(2)]);
      const returned = back.of(nextEvent(client, "connected"));
      await splicer.kill();
      const meanwhile = held.of(visit(front.port, "app", "/bytes/1000"));
      expect(await returned).toMatchObject({ resumed: true });
      for (const asked of [inFlight, meanwhile]) expect(await asked).toMatchObject({ status: 200 });
      await Promise.all([events.more(2), echo.more(2)]);
      await Promise.all([events.close(), echo.close(), client.close(), splicer.start()]);
      await world.linked();
    }
    note({
      failure: "Splicing relay killed",
      repetitions: count,
      visitor: `nothing is lost; a request made meanwhile is answered after ${held}`,
      client: `resumes through another relay after ${back}`,
    });
  },
  timeoutMs,
);
