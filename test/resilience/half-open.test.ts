import type { Link, LinkHandler } from "mcp-tunnel-protocol";
import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ByteChecker } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";
import { startUpstream } from "../support/upstream.js";
import { nextEvent } from "./support.js";

const opened = closingAfterEach();

/** A link whose other end has vanished: no sent byte arrives, and no byte ever comes. */
class DeadLink implements Link {
  handler: LinkHandler | undefined;
  readonly bufferedBytes = 0;
  terminated = false;
  send(): void {}
  cork(): void {}
  uncork(): void {}
  ping(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
  terminate(): void {
    this.terminated = true;
  }
}

describe("the defaults", () => {
  afterEach(() => void vi.useRealTimers());

  it.each(["relay", "client"])("find a half-open link within 30 s, at the %s", (end) => {
    vi.useFakeTimers();
    const link = new DeadLink();
    const causes: Error[] = [];
    const handler = { onClose() {}, onDetached: (cause: Error) => void causes.push(cause) };
    const session =
      end === "relay"
        ? new V1RelaySession(handler)
        : new V1ClientSession(() => ({ onData() {}, onEnd() {}, onReset() {} }), handler);
    session.attach(link, 0);
    // The link dies right after a sign of life, when a ping has just been answered: this is the worst moment.
    link.handler?.onPong?.();
    vi.advanceTimersByTime(30_000);
    expect(causes).toMatchObject([{ code: "timeout" }]);
    expect(link.terminated).toBe(true);
  });
});

describe("a link on which packets are dropped silently, both ways", () => {
  const liveness = { pingIntervalMs: 400, pingTimeoutMs: 200 };

  it("is found by both ends, and what was open goes on over another", async () => {
    const upstream = opened(await startUpstream());
    const tunnel = opened(
      await startInProcess({
        upstreamPort: upstream.port,
        faults: true,
        relay: { liveness },
        client: { liveness },
      }),
    );
    const { proxy, client } = tunnel;
    const length = 6_000_000;
    const download = await tunnel.visit(`/bytes/${length}`);
    const events = await tunnel.visit("/sse");
    const checker = new ByteChecker();
    const chunks = download.body[Symbol.asyncIterator]();
    checker.update((await chunks.next()).value as Buffer);

    const lost = nextEvent(client, "disconnected");
    const atMs = performance.now();
    proxy?.halfOpen();
    expect((await lost).cause.code).toBe("timeout");
    // One interval and one timeout, and the delay of a busy machine. With the defaults it would be 25 s.
    expect(performance.now() - atMs).toBeLessThan(10_000);
    upstream.emit("sent while nothing arrives");

    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      checker.update(next.value as Buffer);
    }
    expect(checker.length).toBe(length);
    for await (const chunk of events.body) {
      expect(String(chunk)).toContain("sent while nothing arrives");
      break;
    }
    expect(client.state).toBe("online");
  });

  it("is found within 5 s by a client whose machine wakes, whatever its intervals are", async () => {
    const upstream = opened(await startUpstream());
    const tunnel = opened(await startInProcess({ upstreamPort: upstream.port, faults: true }));
    const { proxy, client } = tunnel;
    const slow = tunnel.visit("/slow?ms=200");
    await upstream.nextRequest();
    proxy?.halfOpen();
    const again = nextEvent(client, "connected");
    const atMs = performance.now();
    // While a machine sleeps, the wall clock goes on and timers do not.
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 3_600_000);
    const event = await again;
    vi.restoreAllMocks();
    expect(event.resumed).toBe(true);
    // The delay of a busy machine is in it. Without a look at the clock it would be 25 s.
    expect(performance.now() - atMs).toBeLessThan(15_000);
    expect(await (await slow).body.text()).toBe("slow\n");
  });
});
