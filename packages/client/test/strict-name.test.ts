import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { TunnelClient } from "../src/client.js";
import type { ServedTunnel, Service } from "../src/service/service.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();
let relay: TestRelay;
beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
});

/** Fails the test if a tunnel begins. */
const neverServed: Service = {
  accept: () => {
    throw new Error("a visitor was served");
  },
  open: 0,
  begin: (tunnel: ServedTunnel) => {
    throw new Error(`a tunnel began at ${tunnel.url}`);
  },
  close: () => Promise.resolve(),
};

function strictClient(service?: Service): TunnelClient {
  return closing(
    new TunnelClient({
      relayUrl: relay.url,
      token: "t",
      subdomain: "Eve",
      strictSubdomain: true,
      waitForRelay: true,
      shutdownGraceMs: 0,
      ...(service === undefined ? { fetch: () => new Response() } : { service }),
    }),
  );
}

describe("a client that wants one name or nothing", () => {
  it("takes the name as the relay writes it, and comes back with it", async () => {
    relay.answer = () => ({ accept: "eve" });
    const client = strictClient();
    await client.start();
    expect(client.subdomain).toBe("eve");
    relay.cut();
    await relay.until(() => relay.resumptions === 1);
  });

  it.each(["v1", "json"] as const)("is refused if the relay gives another, over %s", async (wire) => {
    relay.v1 = wire === "v1";
    relay.answer = () => ({ accept: "bob" });
    await expect(strictClient(neverServed).start()).rejects.toMatchObject({
      code: "refused",
      message: "the relay does not give the name 'Eve': it gives this token the name 'bob'",
    });
    // It does not try again, and says goodbye, so that the relay keeps nothing for it.
    await relay.until(() => relay.ended.length === 1);
    expect(relay.ended).toEqual([{ code: 1000 }]);
    expect(relay.registrations.length).toBe(1);
  });

  it("is refused if the relay offers some, and picks none", async () => {
    relay.answer = () => ({ offer: ["dev-*", "bob"] });
    await expect(strictClient(neverServed).start()).rejects.toMatchObject({
      code: "refused",
      message: "the relay does not give the name 'Eve': it allows this token names like 'dev-*', 'bob'",
    });
    expect(relay.picks).toEqual([]);
  });
});
