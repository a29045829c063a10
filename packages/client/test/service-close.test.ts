import { once } from "node:events";
import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startTunnelClient, TunnelClient } from "../src/client.js";
import type { Service } from "../src/service/service.js";
import { TestRelay } from "./test-relay.js";

// A service of a program's own may fail to close: its database is gone, say. The rejection was nobody's then.
// It ended the program as an unhandled one, `start` never settled, and `closed` never came.

const closing = closingAfterEach();

let relay: TestRelay;

beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
});

const broken = new Error("the database is gone");

describe.each<[string, Service["close"]]>([
  ["rejects", () => Promise.reject(broken)],
  [
    "throws",
    () => {
      throw broken;
    },
  ],
])("a service whose close %s", (_how, close) => {
  const service = (): Service => ({
    accept: () => ({ onData() {}, onEnd() {}, onReset() {} }),
    open: 0,
    close,
  });
  const newClient = (): TunnelClient => new TunnelClient({ service: service(), relayUrl: relay.url });
  const fault = { code: "internal", message: expect.stringContaining(broken.message) };

  it("does not keep the start from saying why it failed", async () => {
    relay.answer = () => ({ close: 4001, reason: "invalid token" });
    const client = newClient();
    const told = once(client, "fault");
    await expect(client.start()).rejects.toMatchObject({ code: "refused" });
    expect([await told, client.state]).toEqual([[fault], "closed"]);
  });

  it("is a fault, and the client is closed all the same", async () => {
    const client = newClient();
    await client.start();
    const events: unknown[] = [];
    client.on("fault", (event) => events.push(event));
    client.on("closed", (event) => events.push(event));
    await client.close();
    expect(events).toEqual([fault, { error: undefined }]);
    expect(client.state).toBe("closed");
  });

  it("does not stop the signal that ends the client", async () => {
    const abort = new AbortController();
    const { signal } = abort;
    const client = await startTunnelClient({ service: service(), relayUrl: relay.url, signal });
    const closed = once(client, "closed");
    abort.abort();
    expect(await closed).toEqual([{ error: undefined }]);
  });
});
