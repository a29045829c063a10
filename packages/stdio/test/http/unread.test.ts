import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { jsonAnswer } from "../../src/http/answers.js";
import { EventStream } from "../../src/http/event-stream.js";
import { Unread } from "../../src/http/unread.js";
import { UnreadBody } from "../../src/http/unread-body.js";

afterEach(() => {
  vi.useRealTimers();
});

const megabyte = "x".repeat(1_000_000);
const budget = 4_000_000;
const owner = { onTaken() {}, onGone() {}, onStalled() {} };

function json(unread: Unread): ReadableStream<Uint8Array> {
  return jsonAnswer(unread, 1, megabyte).body!;
}

function finishedEvents(unread: Unread): ReadableStream<Uint8Array> {
  const stream = new EventStream(owner, 15_000, unread);
  stream.send(megabyte);
  stream.end();
  return stream.body;
}

describe.each([
  ["a JSON answer", json],
  ["a finished stream", finishedEvents],
])("%s that is not read", (_what, answer) => {
  it("counts until it was read, piece by piece, each with memory of its own", async () => {
    const unread = new Unread(budget);
    const body = answer(unread);
    const bytes = unread.bytes;
    expect(bytes).toBeGreaterThanOrEqual(1_000_000);
    let read = 0;
    for await (const piece of body) {
      read += piece.byteLength;
      expect(piece.byteLength).toBeLessThanOrEqual(65_536);
      expect(piece.buffer.byteLength).toBeLessThanOrEqual(65_536);
      expect(unread.bytes).toBe(bytes - read);
    }
    expect([read, unread.bytes]).toEqual([bytes, 0]);
  });

  it("counts until the visitor leaves", async () => {
    const unread = new Unread(budget);
    const reader = answer(unread).getReader();
    await reader.read();
    await reader.cancel();
    expect(unread.bytes).toBe(0);
  });

  it("counts until the server is closed, and does not look complete", async () => {
    vi.useFakeTimers();
    const unread = new Unread(budget);
    const body = answer(unread);
    unread.close();
    expect([unread.bytes, vi.getTimerCount()]).toEqual([0, 0]);
    await expect(new Response(body).text()).rejects.toThrow("closed");
  });

  it("counts until nothing was taken for 30 s, and does not look complete", async () => {
    vi.useFakeTimers();
    const unread = new Unread(budget);
    const reader = answer(unread).getReader();
    for (const _ of [1, 2, 3]) {
      await vi.advanceTimersByTimeAsync(29_999);
      expect((await reader.read()).done).toBe(false);
    }
    await vi.advanceTimersByTimeAsync(29_999);
    expect(unread.bytes).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(1);
    expect([unread.bytes, vi.getTimerCount()]).toEqual([0, 0]);
    await expect(reader.read()).rejects.toThrow("nothing");
  });

  it("has no timer of its own", () => {
    vi.useFakeTimers();
    const unread = new Unread(budget * 100);
    for (let n = 0; n < 100; n++) answer(unread);
    expect(vi.getTimerCount()).toBe(1);
    unread.close();
  });
});

it("an answer that there is no room for becomes an error, and a short one passes", async () => {
  const unread = new Unread(budget);
  for (let n = 0; n < 3; n++) json(unread);
  expect(await jsonAnswer(unread, "a", megabyte + megabyte).json()).toEqual({
    jsonrpc: "2.0",
    id: "a",
    error: { code: -32_603, message: "Too many answers wait to be taken" },
  });
  json(unread);
  expect(unread.bytes).toBe(budget);
  expect((await jsonAnswer(unread, "a", "x".repeat(4_097)).text()).length).toBeLessThan(4_096);
  expect(await jsonAnswer(unread, "a", "x".repeat(4_096)).text()).toBe("x".repeat(4_096));
  expect(unread.bytes).toBe(budget);
  unread.close();
});

it("a stream of short events gets no more than 4 KiB beyond the budget", () => {
  const unread = new Unread(1);
  const stream = new EventStream(owner, 15_000, unread);
  let count = 0;
  while (stream.send("x".repeat(100)) === "sent") count++;
  expect(count).toBeGreaterThan(10);
  expect(unread.bytes).toBeLessThanOrEqual(4_096);
  stream.end();
  unread.close();
  expect(unread.bytes).toBe(0);
});

it("a live stream of whose events more than a little waits is reported after 30 s", async () => {
  vi.useFakeTimers();
  const unread = new Unread(budget);
  const onStalled = vi.fn();
  const behind = new EventStream({ ...owner, onStalled }, 60_000, unread);
  const little = new EventStream({ ...owner, onStalled }, 60_000, unread);
  behind.send("x".repeat(4_096));
  little.send("x".repeat(2_048));
  await vi.advanceTimersByTimeAsync(29_999);
  behind.send("x");
  expect(onStalled).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(onStalled).toHaveBeenCalledOnce();
  for (const stream of [behind, little]) {
    stream.end();
    await stream.body.cancel();
  }
  expect([unread.bytes, vi.getTimerCount()]).toEqual([0, 0]);
});

const step = fc.record({
  body: fc.nat(3),
  act: fc.constantFrom("write", "read", "end", "cancel", "abort", "wait"),
  length: fc.nat(30_000),
});

it("what counts is what waits, whatever happens to the bodies", async () => {
  vi.useFakeTimers();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const unread = new Unread(100_000);
      const bodies = [0, 1, 2, 3].map(() => {
        const body = new UnreadBody(unread);
        return { body, reader: body.open().getReader() };
      });
      for (const { body: index, act, length } of steps) {
        const one = bodies.at(index)!;
        const text = String(index).repeat(length);
        if (act === "write") one.body.write(text);
        if (act === "end") one.body.end();
        if (act === "cancel") await one.reader.cancel().catch(() => {});
        if (act === "abort") one.body.abort("gone");
        if (act === "wait") await vi.advanceTimersByTimeAsync(10_000);
        if (act === "read" && one.body.bytes > 0) {
          const { value } = await one.reader.read();
          expect(value!.byteLength).toBeLessThanOrEqual(65_536);
        }
        expect(unread.bytes).toBe(bodies.reduce((sum, { body }) => sum + body.bytes, 0));
        expect(unread.bytes).toBeLessThanOrEqual(100_000 + 4 * 4_096);
      }
      for (const { body, reader } of bodies) {
        reader.closed.catch(() => {});
        body.end();
      }
      await vi.advanceTimersByTimeAsync(30_000);
      expect([unread.bytes, vi.getTimerCount()]).toEqual([0, 0]);
    }),
  );
});
