import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { eventStream, lend, Recording, report } from "./support/exchange.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

// The allowance grows by the clock. These exchanges come faster than any visitors' would.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Memory that is in use, with that of Buffers. */
function used(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const maxBytes = 16 * 1_024 * 1_024;

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
  "events that are not finished": (recording) => {
    const { observer } = recording.begin();
    observer.onHead(eventStream, false);
    lend((chunk) => observer.onData(chunk), `id: 1\ndata: ${text(2_000)}\ndata: ${text(2_000)}`);
  },
};

it.each(Object.keys(kinds))("keeps no more memory than it counts: %s", (kind) => {
  const recording = new Recording({ maxBytes, maxExchanges: 1_000_000 });
  const { ring, missed } = recording.recorder;
  const before = used();
  while ((recording.told.length < 1_000_000 && ring.find(1) !== undefined) || ring.size === 0) {
    kinds[kind]!(recording);
    recording.told.length = 0;
    vi.advanceTimersByTime(100);
  }
  const kept = used() - before;
  expect(ring.bytes).toBeGreaterThan(0.9 * maxBytes);
  expect(kept).toBeLessThan(1.1 * ring.bytes);
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
      kept: [head, entry.events!, entry.events!.kept[0]!].map((value) => new WeakRef<object>(value)),
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
