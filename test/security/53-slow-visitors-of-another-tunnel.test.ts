import { defaultWindow as window } from "mcp-tunnel-protocol/sessions";
import { expect, it } from "vitest";
import { RemoteRoute } from "../../packages/cluster/src/hop/remote-route.js";
import type { Route } from "../../packages/cluster/src/route.js";
import { HopWorld, until, Visitor } from "../../packages/cluster/test/support/hop-world.js";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";

/**
 * The attack: two relays have one session for the visitors of all tunnels that one takes to the other.
 * Somebody with a tunnel of his own opens hundreds of slow downloads of half a window each, until the session
 * holds all that it may. Then the stream with the most is cut, and that is an ordinary slow download of
 * another tunnel, which has filled its window. It works with slow uploads in the other direction as well.
 *
 * The defence: the session first chooses the tunnel whose streams hold the most, and cuts one of its streams.
 */
const closing = closingAfterEach();

const half = 500_000;
const limits = { maxQueuedBytes: 10 * half };

/** Two tunnels of one relay, whose visitors came to another one, and are in no hurry. */
function setUp() {
  const world = closing(new HopWorld({ hop: limits, hopOwner: limits }));
  // The same client serves both. For the relays they are two tunnels.
  world.others.set("victim", Object.create(world.tunnel) as Route);
  const victims = new RemoteRoute({ ...world.entry, name: "victim" }, world.peer, { onRefused() {} });
  const visit = (route: RemoteRoute, body: boolean): Visitor => {
    const visitor = new Visitor();
    visitor.isEager = false;
    visitor.stream = route.open({ method: "POST", path: "/", headers: [] }, !body, visitor);
    return visitor;
  };
  return { world, visit, victims };
}

it("slow downloads of one tunnel cut none of another", async () => {
  const { world, visit, victims } = setUp();
  const download = async (route: RemoteRoute, bytes: number): Promise<Visitor> => {
    const visitor = visit(route, false);
    const { stream } = await world.serve(world.served.length);
    stream.sendHead({ status: 200, headers: [] });
    stream.write(bytesAt(0, bytes));
    await until(() => visitor.body.length === bytes || visitor.reset !== undefined);
    return visitor;
  };
  const victim = await download(victims, 2 * half);
  const slow: Visitor[] = [];
  while (world.events.length === 0) slow.push(await download(world.route, half));
  await until(() => [victim, ...slow].some(({ reset }) => reset !== undefined));
  expect(victim.reset).toBeUndefined();
});

it("slow uploads of one tunnel cut none of another", async () => {
  const { world, visit, victims } = setUp();
  const upload = async (route: RemoteRoute, bytes: number): Promise<Visitor> => {
    const visitor = visit(route, true);
    const served = await world.serve(world.served.length);
    served.isEager = false;
    await until(() => visitor.heard.includes("accepted"));
    const before = world.owner.queuedBytes;
    // A window waits at the client, and what follows at its relay. A part of the last window is not credited.
    visitor.stream?.write(bytesAt(0, window + bytes));
    await until(() => world.owner.queuedBytes >= before + bytes / 2 || world.events.length > 0);
    return visitor;
  };
  const victim = await upload(victims, 2 * half);
  const slow: Visitor[] = [];
  while (world.events.length === 0) slow.push(await upload(world.route, half / 2));
  await until(() => [victim, ...slow].some(({ reset }) => reset !== undefined));
  expect(victim.reset).toBeUndefined();
});
