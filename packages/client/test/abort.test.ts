import { getEventListeners, once } from "node:events";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { startTunnelClient, TunnelClient } from "../src/client.js";
import type { TunnelClientOptions } from "../src/options.js";
import type { Service } from "../src/service/service.js";
import { visit } from "./relay-side.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();
const reason = new Error("the program has had enough");
const aborted = { name: "AbortError", code: "ABORT_ERR", cause: reason };

let relay: TestRelay;
let abort: AbortController;

beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
  abort = new AbortController();
});

function options(more: Partial<TunnelClientOptions> = {}): TunnelClientOptions {
  return { fetch: () => new Response("hello"), relayUrl: relay.url, signal: abort.signal, ...more };
}

function newClient(more: Partial<TunnelClientOptions> = {}): TunnelClient {
  return closing(new TunnelClient(options(more)));
}

const listeners = (): number => getEventListeners(abort.signal, "abort").length;

describe("a signal", () => {
  it("that is aborted before the start lets nothing begin, and the service is closed", async () => {
    abort.abort(reason);
    const close = vi.fn<Service["close"]>(async () => {});
    const service = { accept: () => ({ onData() {}, onEnd() {}, onReset() {} }), open: 0, close };
    const started = startTunnelClient({ service, relayUrl: relay.url, signal: abort.signal });
    await expect(started).rejects.toMatchObject(aborted);
    expect(close).toHaveBeenCalledOnce();
    expect([relay.openConnections, relay.registrations.length, listeners()]).toEqual([0, 0, 0]);
  });

  it("ends a client whose relay does not answer", async () => {
    relay.answer = () => "silence";
    const client = newClient();
    const started = client.start();
    await relay.until(({ registrations }) => registrations.length === 1);
    abort.abort(reason);
    await expect(started).rejects.toMatchObject(aborted);
    expect(client.state).toBe("closed");
    await relay.until(({ openConnections }) => openConnections === 0);
    expect(listeners()).toBe(0);
  });

  it("ends a client whose connection has not opened", async () => {
    relay.refusing = true;
    const client = newClient({ waitForRelay: true });
    const started = client.start();
    abort.abort(reason);
    await expect(started).rejects.toMatchObject(aborted);
    await relay.until(({ openConnections }) => openConnections === 0);
  });

  it("ends a client that waits for its next attempt", async () => {
    relay.refusing = true;
    const client = newClient({ waitForRelay: true });
    const started = client.start();
    client.on("reconnecting", () => abort.abort(reason));
    await expect(started).rejects.toMatchObject(aborted);
    expect([client.state, relay.handshakes.length, listeners()]).toEqual(["closed", 1, 0]);
  });

  it("closes a client that is online: open requests finish, and the end has no error", async () => {
    let answer: ((response: Response) => void) | undefined;
    const fetch = (): Promise<Response> => new Promise((resolve) => (answer = resolve));
    const client = newClient({ fetch });
    await client.start();
    const open = visit(relay.session as never);
    await vi.waitFor(() => expect(client.openRequests).toBe(1));
    const closed = once(client, "closed");
    abort.abort(reason);
    expect(client.state).toBe("closing");
    answer?.(new Response("late"));
    expect((await open.complete()).text).toBe("late");
    expect(await closed).toEqual([{ error: undefined }]);
    expect(listeners()).toBe(0);
  });

  it("is not held by a client that has ended otherwise", async () => {
    const client = newClient();
    await client.start();
    expect(listeners()).toBe(1);
    await client.close();
    expect(listeners()).toBe(0);
    relay.answer = () => ({ close: 4001, reason: "invalid token" });
    await expect(newClient().start()).rejects.toMatchObject({ code: "refused" });
    expect(listeners()).toBe(0);
  });

  it.each([null, {}, new AbortController()])("may not be %j", (signal) => {
    expect(() => new TunnelClient(options({ signal: signal as never }))).toThrow(
      expect.objectContaining({ code: "invalid_option", options: ["signal"] }),
    );
  });
});

describe("await using", () => {
  it("closes the client at the end of the block, and leaves nothing behind", async () => {
    await expectNoLeaks(async () => {
      let inside: TunnelClient | undefined;
      {
        await using client = await startTunnelClient(options());
        inside = client;
        expect(client.state).toBe("online");
      }
      expect(inside.state).toBe("closed");
      await relay.until(({ openConnections }) => openConnections === 0);
    });
  });

  it("waits for what an abort lets finish, and cuts nothing", async () => {
    let answer: ((response: Response) => void) | undefined;
    const client = newClient({ fetch: () => new Promise((resolve) => (answer = resolve)) });
    await client.start();
    const open = visit(relay.session as never);
    await vi.waitFor(() => expect(client.openRequests).toBe(1));
    abort.abort(reason);
    const disposed = client[Symbol.asyncDispose]();
    answer?.(new Response("late"));
    expect((await open.complete()).text).toBe("late");
    await disposed;
    expect(client.state).toBe("closed");
    await client[Symbol.asyncDispose]();
  });
});
