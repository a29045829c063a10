import { once } from "node:events";
import { Socket } from "node:net";
import { afterEach, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();
afterEach(() => vi.restoreAllMocks());

it("closes while it answers a goodbye", async () => {
  const relay = await new TestRelay().listen();
  relay.answer = () => ({ offer: ["*"] });
  const client = closing(new WebSocket(`ws://127.0.0.1:${relay.port}/_tunnel/register`));
  await once(client, "open");
  client.send(JSON.stringify({ token: "", subdomain: null }));
  await once(client, "message");

  // A busy machine reads the goodbye and hears of the end of its sender in one turn.
  const end = vi.spyOn(Socket.prototype, "end");
  const closed = new Promise<void>((resolve, reject) => {
    end.mockImplementation(function endAndClose(this: Socket) {
      end.mockRestore();
      this.end();
      relay.close().then(resolve, reject);
      return this;
    });
  });
  client.close();
  await closed;
  expect(relay.openConnections).toBe(0);
});
