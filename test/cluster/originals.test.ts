import { describe, expect, it } from "vitest";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startOriginalClient } from "../support/original-client.js";
import type { ClusterRelay } from "./support/relay.js";
import { visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

// Clients of the original know nothing of clusters, sessions and this project.

const closing = closingAfterEach();

describe.skipIf(noCluster).each(["0.1", "0.2"] as const)("an original client %s", (version) => {
  it("is served through any relay, and comes back through any other", async () => {
    const world = closing(await World.start());
    const connect = async (relay: ClusterRelay) =>
      world.opened(
        await startOriginalClient({
          version,
          relayPort: relay.port,
          token: "secret",
          subdomain: "app",
          onRequest: (reply) => reply.answer(200, { "x-relay": `${relay.index}` }, reply.body),
        }),
      );
    const body = bytesAt(0, 3_000_000);
    const echoed = async (relay: ClusterRelay): Promise<void> => {
      const { status, text } = await visit(relay.port, "app", "/", { method: "POST", body: "a body" });
      expect({ status, text }).toEqual({ status: 200, text: "a body" });
    };
    let client = await connect(world.relay(0));
    for (const relay of world.relays) await echoed(relay);
    const large = await visit(world.relay(2).port, "app", "/", { method: "PUT", body });
    expect(large.status).toBe(200);
    expect(large.text).toBe(body.toString());
    // Its connection breaks: it registers anew wherever the balancer leads it.
    for (const relay of [world.relay(1), world.relay(2), world.relay(0)]) {
      await client.close();
      client = await connect(relay);
      for (const front of world.relays) await echoed(front);
    }
    // Another client of the token takes the name at another relay.
    const before = client;
    client = await connect(world.relay(1));
    expect((await before.closed).code).toBe(4002);
    for (const front of world.relays) await echoed(front);
    // Its relay is killed.
    await world.relay(1).kill();
    await client.closed;
    client = await connect(world.relay(2));
    for (const front of [world.relay(0), world.relay(2)]) await echoed(front);
  }, 90_000);
});
