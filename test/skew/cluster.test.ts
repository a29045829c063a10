import { describe, expect, it } from "vitest";
import { visit } from "../cluster/support/visitors.js";
import { noCluster, World } from "../cluster/support/world.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand } from "../support/commands.js";
import { isFirstMissing } from "./first-release.js";
import { first } from "./releases.js";

const closing = closingAfterEach();

describe.skipIf(isFirstMissing || noCluster)("the first client at a cluster of today's relays", () => {
  it("serves through all of them, and outlives its link and its relay", async () => {
    const world = closing(await World.start());
    world.clientsGoTo = world.relay(0);
    const args = ["--subdomain", "demo"];
    const client = world.opened(
      await startClientCommand(world.service.port, world.clients.port, args, {}, first.client),
    );
    const allAnswer = async (): Promise<void> => {
      for (const relay of world.relays.filter(({ isRunning }) => isRunning)) {
        expect(await visit(relay.port, "demo", "/status/200")).toMatchObject({ status: 200 });
        const body = Buffer.alloc(200_000, "x");
        const echoed = await visit(relay.port, "demo", "/echo", { method: "POST", body });
        expect(echoed.text.length).toBe(body.length);
      }
    };
    await allAnswer();
    // It comes back to another relay, which takes its messages to the one that has its session.
    world.clientsGoTo = world.relay(1);
    const inFlight = visit(world.relay(2).port, "demo", "/slow?ms=500");
    await world.service.nextRequest();
    world.clients.cut();
    await client.waitForJson({ event: "connected" }, 2);
    expect(await inFlight).toMatchObject({ status: 200, text: "slow\n" });
    await allAnswer();
    world.clientsGoTo = undefined;
    await world.relay(0).kill();
    await client.waitForJson({ event: "connected" }, 3);
    await allAnswer();
  }, 90_000);
});
