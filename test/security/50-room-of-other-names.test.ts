import type { LimitEvent } from "mcp-tunnel";
import { expect, it } from "vitest";
import { RawVisitor, V1Client } from "../../packages/relay/test/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { TestCluster } from "./support/cluster.js";

/**
 * The attack: a client registers and loses its connection, and its visitors wait with bodies until they hold
 * all the memory that waiting requests may have. One address has enough connections for that. In a cluster a
 * request waits a moment for the answer who has its name, so visitors of all other tunnels were turned away
 * whose relay was not known yet.
 *
 * The defence: requests that wait for an answer have room of their own. They wait for milliseconds, and those
 * that wait for a client for many seconds.
 */
const closing = closingAfterEach();

it("visitors of a tunnel that is away do not use up the room of those of other tunnels", async () => {
  const limits: string[] = [];
  const observers = [{ onEnd() {}, onLimit: ({ limit }: LimitEvent) => limits.push(limit) }];
  const { cluster, a, b } = await TestCluster.start({ maxHeldBytes: 4 * 8_192, observers });
  closing(cluster);
  const visit = (name: string): RawVisitor => {
    const visitor = closing(new RawVisitor(b.port));
    visitor.request(`GET / HTTP/1.1\nHost: ${name}.localhost\nConnection: close`);
    return visitor;
  };
  const well = closing(await V1Client.connect(a.port, "well"));
  const away = closing(await V1Client.connect(a.port, "away"));
  away.cut();
  await a.logged("tunnel away");
  const waiting = Array.from({ length: 5 }, () => visit("away"));
  // The fifth finds no room, so the other four have all of it.
  const refused = await Promise.race(waiting.map((visitor) => visitor.all()));
  expect(refused).toMatch(/^HTTP\/1.1 503 [^]*tunnel_reconnecting/);
  expect(limits).toEqual(["held_requests"]);
  const visitor = visit("well");
  const { stream } = await well.accept();
  stream.sendHead({ status: 204, headers: [] }, true);
  expect(await visitor.all()).toMatch(/^HTTP\/1.1 204 /);
});
