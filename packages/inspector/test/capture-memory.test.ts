import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { eventStream, lend, Recording, report, textFrame, webSocket } from "./support/exchange.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

// The allowance grows by the clock. These exchanges come faster than any visitors' would.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Memory that is in use, with that of Buffers. Memory of Buffers is given back some time after them. */
async function used(): Promise<number> {
  for (let last = Infinity; ; ) {
    collectGarbage();
    await nextTurn();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    // Shared memory is only in the last of them.
    const now = heapUsed + Math.max(external, arrayBuffers);
    if (last - now < 65_536) return now;
    last = now;
  }
}

const maxBytes = 8 * 1_024 * 1_024;

/** Text of its own, as a parser gives it. */
const text = (length: number, character = "x"): string => Buffer.alloc(length, character).toString("latin1");

const kinds: Record<string, (recording: Recording) => void> = {
  "small exchanges": (recording) => {
    const headers = Array.from({ length: 20 }, (_, i) => text(10 + i));
    const { observer } = recording.begin({ method: text(4), path: text(30), headers });
    lend((chunk) => observer.onRequestData(chunk), text(100));
    observer.onRequestEnd([]);
    observer.onHead({ status: 200, headers: Array.from({ length: 10 }, (_, i) => text(10 + i)) }, false);
    lend((chunk) => observer.onData(chunk), text(200));
    observer.onEnd([]);
    observer.onOver(report());
  },
  "bodies in small pieces": (recording) => {
    const { observer } = recording.begin();
    for (let i = 0; i < 50; i++) lend((chunk) => observer.onRequestData(chunk), text(300));
  },
  "bodies in large pieces": (recording) => {
    const { observer } = recording.begin();
    for (let i = 0; i < 10; i++) lend((chunk) => observer.onRequestData(chunk), text(16_384));
  },
  "small events": (recording) => {
    const { observer } = recording.begin();
    observer.onHead(eventStream, false);
    for (let i = 0; i < 100; i++) lend((chunk) => observer.onData(chunk), "id: 7\ndata: a\n\n: k\n\n");
  },
  "events that need two bytes for each character": (recording) => {
    const { observer } = recording.begin();
    observer.onHead(eventStream, false);
    for (let i = 0; i < 10; i++) lend((chunk) => observer.onData(chunk), `data: 😀${text(5_000)}\n\n`);
  },
  "event streams without an event": (recording) => {
    const { observer } = recording.begin();
    observer.onHead(eventStream, false);
    lend((chunk) => observer.onData(chunk), ":");
  },
  "WebSockets without a message": (recording) => {
    recording.begin({ upgrade: true }).observer.onHead(webSocket, false);
  },
  "small messages, between which others use Node's pool": (recording) => {
    const { observer } = recording.begin({ upgrade: true });
    observer.onHead(webSocket, false);
    for (let i = 0; i < 20; i++) {
      lend((chunk) => observer.onData(chunk), textFrame("a"));
      for (let other = 0; other < 10; other++) Buffer.from("x".repeat(1_000));
    }
    observer.onOver(report());
  },
  "messages that are not finished": (recording) => {
    const { observer } = recording.begin({ upgrade: true });
    observer.onHead(webSocket, false);
    lend((chunk) => observer.onData(chunk), textFrame("x".repeat(50_000)).subarray(0, 40_000));
  },
  "events that are not finished": (recording) => {
    const { observer } = recording.begin();
    observer.onHead(eventStream, false);
    lend((chunk) => observer.onData(chunk), `id: 1\ndata: ${text(2_000)}\ndata: ${text(2_000)}`);
  },
};

it.each(Object.keys(kinds))("keeps no more memory than it counts: %s", async (kind) => {
  const recording = new Recording({ maxBytes, maxExchanges: 1_000_000 });
  const { ring, missed } = recording.recorder;
  const before = await used();
  for (let i = 0; i < 30_000 && (ring.size === 0 || ring.find(1) !== undefined); i++) {
    kinds[kind]?.(recording);
    recording.told.length = 0;
    vi.advanceTimersByTime(100);
  }
  expect(ring.find(1)).toBeUndefined();
  const kept = (await used()) - before;
  expect(ring.bytes).toBeGreaterThan(0.9 * maxBytes);
  // Memory for bodies comes in slabs of 1 MiB.
  expect(kept).toBeLessThan(1.1 * ring.bytes + 1_048_576);
  // What is counted is not much more than what is kept, or the ring would hold little.
  expect(kept).toBeGreaterThan(ring.bytes / 3);
  expect(missed).toEqual({ exchanges: 0, bodies: 0 });
});

it("keeps nothing of an exchange that has left the ring while it was open", async () => {
  const recording = new Recording({ maxExchanges: 1 });
  const give = () => {
    const { entry, observer } = recording.begin();
    const head = { status: 200, headers: [...eventStream.headers] };
    observer.onHead(head, false);
    lend((chunk) => observer.onData(chunk), `data: a\n\ndata: b`);
    return {
      observer,
      kept: [head, entry.events!, entry.events!.kept.at(0)!].map((value) => new WeakRef<object>(value)),
    };
  };
  const { observer, kept } = give();
  recording.begin();
  await nextTurn();
  collectGarbage();
  expect(kept.map((value) => value.deref())).toEqual([undefined, undefined, undefined]);
  // The exchange goes on, and its observer with it.
  expect(() => lend((chunk) => observer.onData(chunk), "\n\n")).not.toThrow();
});

it("keeps nothing of a WebSocket that has left the ring", async () => {
  const recording = new Recording({ maxExchanges: 1 });
  const give = () => {
    const { entry, observer } = recording.begin({ upgrade: true });
    observer.onHead({ ...webSocket }, false);
    lend((chunk) => observer.onData(chunk), textFrame("a"));
    const { kept } = entry.socket!;
    expect(kept).toHaveLength(1);
    return { observer, message: new WeakRef(kept.at(0)!) };
  };
  const { observer, message } = give();
  recording.begin();
  await nextTurn();
  collectGarbage();
  expect(message.deref()).toBeUndefined();
  expect(() => lend((chunk) => observer.onData(chunk), textFrame("b"))).not.toThrow();
});

it("keeps no tunnel for the sake of exchanges that were not captured", async () => {
  const recording = new Recording();
  const give = (): WeakRef<object> => {
    const tunnel = { url: "" };
    const head = { method: "GET", path: "/", headers: [] };
    recording.recorder.paused = true;
    recording.recorder.observe({ id: 1, head, streamId: 1, startedAtMs: 0, tunnel: tunnel as never });
    recording.recorder.paused = false;
    recording.begin();
    return new WeakRef(tunnel);
  };
  const tunnel = give();
  await nextTurn();
  collectGarbage();
  expect(tunnel.deref()).toBeUndefined();
});

it("keeps no tunnel for the sake of exchanges that are over", async () => {
  const recording = new Recording();
  const give = (): WeakRef<object> => {
    const tunnel = { url: "" };
    const start = { id: 1, head: { method: "GET", path: "/", headers: [] }, streamId: 1, startedAtMs: 0 };
    const observer = recording.recorder.observe({ ...start, tunnel: tunnel as never });
    observer?.onOver?.(report());
    return new WeakRef(tunnel);
  };
  const tunnel = give();
  await nextTurn();
  collectGarbage();
  expect(tunnel.deref()).toBeUndefined();
  expect(recording.recorder.ring.size).toBe(1);
});
