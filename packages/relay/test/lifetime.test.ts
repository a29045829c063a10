import { EventEmitter, getEventListeners, once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { LogWatch } from "../../../test/support/log-watch.js";
import { createRelay, openAuthenticator, type Relay, type RelayOptions } from "../src/index.js";

// The ways in which a program ends a relay: a call, a signal, the end of a block.

const closing = closingAfterEach();

function newRelay(options: Partial<RelayOptions> = {}): Relay {
  const relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, ...options });
  closing({ close: () => relay.close(0) });
  return relay;
}

/** How a new connection to the port ends: `connect`, or the code of the error. */
async function connecting(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return "connect";
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

const invalidState = { name: "TunnelError", code: "invalid_state" };

describe("a signal that is given to listen()", () => {
  it("closes the relay when it is aborted, and is let go of", async () => {
    await expectNoLeaks(async () => {
      const relay = newRelay();
      const aborter = new AbortController();
      const { port } = await relay.listen({ signal: aborter.signal });
      expect(await connecting(port)).toBe("connect");
      aborter.abort();
      expect(relay.draining).toBe(true);
      await relay.close();
      expect(await connecting(port)).toBe("ECONNREFUSED");
      expect(getEventListeners(aborter.signal, "abort")).toEqual([]);
      await expect(relay.listen()).rejects.toMatchObject(invalidState);
    });
  });

  it("leaves open exchanges the time that close() gives them, which a call shortens", async () => {
    const asked = new EventEmitter();
    const relay = newRelay({
      judges: [
        () => {
          asked.emit("asked");
          return new Promise(() => {});
        },
      ],
    });
    const aborter = new AbortController();
    const { port } = await relay.listen({ signal: aborter.signal });
    const visitor = connect(port, "127.0.0.1");
    closing({ close: () => visitor.destroy() });
    const waits = once(asked, "asked");
    visitor.write("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
    await waits;
    aborter.abort();
    expect(relay.openExchanges).toBe(1);
    await relay.close(0);
    expect(relay.openExchanges).toBe(0);
  });

  it("that is aborted already lets nothing begin", async () => {
    let isClosed = false;
    const authenticator = {
      ...openAuthenticator,
      close: async () => {
        isClosed = true;
      },
    };
    const relay = newRelay({ authenticator });
    const reason = new Error("not today");
    const aborted = { name: "AbortError", code: "ABORT_ERR", cause: reason };
    await expect(relay.listen({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject(aborted);
    await relay.close();
    expect(isClosed).toBe(true);
    await expect(relay.listen()).rejects.toMatchObject(invalidState);
  });

  it("that is aborted while the relay is about to listen is the reason why it does not", async () => {
    await expectNoLeaks(async () => {
      const relay = newRelay();
      const aborter = new AbortController();
      const listening = relay.listen({ signal: aborter.signal });
      aborter.abort();
      await expect(listening).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
      await relay.close();
    });
  });

  it("is let go of when the relay is closed by a call, or cannot listen", async () => {
    const { signal } = new AbortController();
    const other = createServer();
    closing({ close: () => other.close() });
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const relay = newRelay({ port });
    await expect(relay.listen({ signal })).rejects.toMatchObject({ code: "unavailable" });
    expect(getEventListeners(signal, "abort")).toEqual([]);
    other.close();
    await once(other, "close");
    await relay.listen({ signal });
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await relay.close(0);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("is nobody's unhandled rejection if the end of the relay fails", async () => {
    const log = new LogWatch();
    const authenticator = {
      ...openAuthenticator,
      close: () => Promise.reject(new Error("an authenticator's mistake")),
    };
    const relay = createRelay({ domain: "localhost", port: 0, authenticator, logger: log.logger });
    const aborter = new AbortController();
    await relay.listen({ signal: aborter.signal });
    aborter.abort();
    await expect(relay.close(0)).rejects.toThrow("an authenticator's mistake");
    expect(await log.waitForJson({ msg: "the relay's end failed" })).toMatchObject({
      error: expect.stringContaining("an authenticator's mistake") as string,
    });
  });

  it.each<[string, object]>([
    ["that is none", { signal: true }],
    ["under another name", { sginal: new AbortController().signal }],
  ])("is refused: one %s", async (_what, options) => {
    const invalid = { name: "TunnelError", code: "invalid_option" };
    await expect(newRelay().listen(options)).rejects.toMatchObject(invalid);
  });
});

describe("await using", () => {
  it("closes the relay at the end of the block, also if that throws", async () => {
    let kept: Relay | undefined;
    const block = async (): Promise<void> => {
      await using relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0 });
      kept = relay;
      const { port } = await relay.listen();
      expect(await connecting(port)).toBe("connect");
      throw new Error(String(port));
    };
    const error = await block().catch((thrown: unknown) => thrown as Error);
    expect(await connecting(Number((error as Error).message))).toBe("ECONNREFUSED");
    expect(kept?.draining).toBe(true);
  });
});
