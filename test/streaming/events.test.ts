import { EventEmitter, once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { isLong } from "../support/mode.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { body, type CommandTunnel, response, startTunnel } from "./support.js";

let upstream: Upstream;
let tunnel: CommandTunnel;
beforeAll(async () => {
  upstream = await startUpstream();
  tunnel = await startTunnel(upstream.port);
});
afterAll(async () => {
  await tunnel.close();
  await upstream.close();
});
const closing = closingAfterEach();

/** A visitor of an event stream: emits `event` with the data of each event. */
async function openStream() {
  const events = new EventEmitter<{ event: [string] }>();
  const req = tunnel.request("/sse", { headers: { accept: "text/event-stream" } }).end();
  closing({ close: () => req.destroy() });
  const res = await response(req);
  let text = "";
  res.setEncoding("utf8");
  res.on("data", (chunk: string) => {
    const whole = (text + chunk).split("\n\n");
    text = whole.pop() ?? "";
    for (const event of whole) events.emit("event", event.replace(/^data: /, ""));
  });
  const next = async (): Promise<string> => (await once(events, "event"))[0] as string;
  return { req, res, next };
}

describe("an event stream", () => {
  it("has its head at once, and each event before the next one is sent", async () => {
    // The local service sends only the head until there is an event.
    const { res, next } = await openStream();
    expect(res.headers["content-type"]).toBe("text/event-stream");
    for (let i = 0; i < 20; i++) {
      const received = next();
      upstream.emit(`event ${i}`);
      expect(await received).toBe(`event ${i}`);
    }
  });

  it("keeps 1,000 events in order", async () => {
    const res = await response(tunnel.request("/sse?count=1000").end());
    const events = Array.from({ length: 1_000 }, (_, i) => `id: ${i + 1}\ndata: event ${i + 1}\n\n`);
    expect((await body(res)).toString()).toBe(events.join(""));
  });

  if (isLong) {
    // silence.test.ts is the short version, on a fake clock. This one also waits for the clocks inside Node
    // and the kernel.
    it("outlives ten minutes of silence", { timeout: 700_000 }, async () => {
      const { next } = await openStream();
      const call = response(tunnel.request("/slow?ms=595000", { method: "POST" }).end("{}"));
      const received = next();
      await delay(610_000);
      upstream.emit("still here");
      expect(await received).toBe("still here");
      expect(String(await body(await call))).toBe("slow\n");
    });
  }

  it("ends at the local service when its visitor leaves, at once", async () => {
    const { req } = await openStream();
    const other = await openStream();
    expect(upstream.eventStreams).toBe(2);
    const aborted = upstream.nextAbort();
    const leftAtMs = performance.now();
    req.destroy();
    // The bench measures about a millisecond. The relay tells the service by itself: nothing is sent to the
    // visitor.
    expect((await aborted).atMs - leftAtMs).toBeLessThan(1_000);
    expect(upstream.eventStreams).toBe(1);
    const received = other.next();
    upstream.emit("still here");
    expect(await received).toBe("still here");
    await tunnel.relay.waitForJson({ msg: "request", path: "/sse", outcome: "cancelled", status: 200 });
    const said = await tunnel.client.waitForJson({ event: "request", path: "/sse", status: 200 });
    expect(said["error"]).toBeDefined();
  });
});
