import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { EventReader } from "../support/events.js";
import { Bench, call, type Visitor } from "./visitor.js";

const closing = closingAfterEach();

afterEach(() => {
  vi.useRealTimers();
});

const json = { Accept: "application/json", "MCP-Protocol-Version": "2025-03-26" };
const megabyte = "x".repeat(1_000_000);
const budget = 2_500_000;

function bench(): Bench {
  return closing(new Bench({ maxUnreadBytes: budget, maxKeptBytes: 8_000_000 }));
}

/** Posts, and resolves when the server has it. */
async function ask(visitor: Visitor, message: unknown, headers = {}, signal?: AbortSignal) {
  const before = visitor.server.sent.length;
  const response = visitor.post(message, headers, signal);
  await vi.waitFor(() => expect(visitor.server.sent.length).toBeGreaterThan(before));
  return { response };
}

describe("answers that are gathered", () => {
  it("count as they come, and become errors one by one when there is no more room", async () => {
    const rig = bench();
    const visitor = await rig.visitor();
    const { response } = await ask(visitor, [call(1), call(2), call(3), call(4)], json);
    for (const id of [1, 2, 3]) {
      visitor.server.say({ id, result: { megabyte } });
      expect(rig.unread.bytes).toBeGreaterThan(Math.min(id, 2) * 1_000_000);
    }
    visitor.server.say({ id: 4, result: {} });
    expect(rig.unread.bytes).toBeLessThan(budget);
    const answer = await response;
    const text = await answer.text();
    expect(answer.headers.get("Content-Length")).toBe(String(text.length));
    expect(JSON.parse(text)).toMatchObject([
      { id: 1, result: { megabyte } },
      { id: 2, result: { megabyte } },
      { id: 3, error: { code: -32_603 } },
      { id: 4, result: {} },
    ]);
    expect(rig.unread.bytes).toBe(0);
  });

  it("are given up when their visitor leaves before the last, and those that follow as well", async () => {
    const rig = bench();
    const visitor = await rig.visitor();
    const abort = new AbortController();
    const { response } = await ask(visitor, [call(1), call(2), call(3)], json, abort.signal);
    visitor.server.say({ id: 1, result: { megabyte } });
    abort.abort();
    expect(rig.unread.bytes).toBe(0);
    visitor.server.say({ id: 2, result: { megabyte } });
    visitor.server.say({ id: 3, result: { megabyte } });
    expect(rig.unread.bytes).toBe(0);
    expect((await response).status).toBe(202);
  });

  it("may wait for the last for any time", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench();
    const visitor = await rig.visitor();
    const { response } = await ask(visitor, [call(1), call(2)], json);
    visitor.server.say({ id: 1, result: { megabyte } });
    await vi.advanceTimersByTimeAsync(100_000);
    visitor.server.say({ id: 2, result: {} });
    expect(await (await response).json()).toMatchObject([{ result: { megabyte } }, { id: 2 }]);
  });
});

describe("a stream", () => {
  it("that would go beyond the budget is cut, and sends the event to the visitor who comes back", async () => {
    const rig = bench();
    const [visitor, other] = [await rig.visitor(), await rig.visitor()];
    const stream = new EventReader(await visitor.post(call(1)));
    await stream.any();
    const held = [await other.post(call(1)), await other.post(call(2))];
    for (const id of [1, 2]) other.server.say({ id, result: { megabyte } });
    visitor.server.say({ id: 1, result: { megabyte } });
    expect(await stream.rest()).toEqual([]);
    const early = new EventReader(await visitor.resume(stream.lastEventId));
    expect(await early.rest()).toEqual([]);
    for (const { body } of held) await body!.cancel();
    const again = new EventReader(await visitor.resume(stream.lastEventId));
    expect((await again.rest()).map((text) => JSON.parse(text) as object)).toMatchObject([
      { id: 1, result: { megabyte } },
    ]);
    expect(rig.unread.bytes).toBe(0);
  });

  it("is cut for a notification as well, so that what follows is no gap", async () => {
    const rig = bench();
    const [visitor, other] = [await rig.visitor(), await rig.visitor()];
    const stream = new EventReader(await visitor.post(call(1, "t")));
    await stream.any();
    const held = await other.post(call(1));
    other.server.say({ id: 1, result: { text: megabyte + megabyte } });
    const tell = (progress: number, message: string) =>
      visitor.server.say({
        method: "notifications/progress",
        params: { progressToken: "t", progress, message },
      });
    tell(1, megabyte);
    tell(2, "short");
    expect(await stream.rest()).toEqual([]);
    await held.body!.cancel();
    const again = new EventReader(await visitor.resume(stream.lastEventId));
    visitor.server.say({ id: 1, result: {} });
    const texts = await again.rest();
    expect(texts.map((text) => JSON.parse(text) as object)).toMatchObject([
      { params: { progress: 1 } },
      { params: { progress: 2 } },
      { id: 1 },
    ]);
  });

  it("that has ended is given up after 30 s, and can be resumed", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench();
    const visitor = await rig.visitor();
    const stream = new EventReader(await visitor.post(call(1)));
    await stream.any();
    visitor.server.say({ id: 1, result: { megabyte } });
    await vi.advanceTimersByTimeAsync(29_999);
    expect(rig.unread.bytes).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(rig.unread.bytes).toBe(0);
    await expect(stream.rest()).rejects.toThrow("nothing");
    const again = new EventReader(await visitor.resume(stream.lastEventId));
    expect(await again.rest()).toHaveLength(1);
  });

  it("that waits is cut after 30 s, and given up after 30 more", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench();
    const visitor = await rig.visitor();
    const response = await visitor.post(call(1, "t"));
    const params = { progressToken: "t", progress: 1, message: "x".repeat(10_000) };
    visitor.server.say({ method: "notifications/progress", params });
    await vi.advanceTimersByTimeAsync(59_999);
    expect(rig.unread.bytes).toBeGreaterThan(10_000);
    await vi.advanceTimersByTimeAsync(1);
    expect(rig.unread.bytes).toBe(0);
    await expect(response.text()).rejects.toThrow("nothing");
    visitor.server.say({ id: 1, result: {} });
    expect(await new EventReader(await visitor.resume("1-0")).rest()).toHaveLength(2);
  });
});

it("an answer to initialize counts as well", async () => {
  const rig = closing(
    new Bench({ maxUnreadBytes: budget }, (pipe) => {
      pipe.say({ id: 0, result: { protocolVersion: "2025-11-25", megabyte } });
    }),
  );
  const initialize = { jsonrpc: "2.0", id: 0, method: "initialize", params: {} };
  const held = [
    await rig.stranger().post(initialize),
    await rig.stranger().post(initialize, { Accept: "application/json" }),
  ];
  expect(rig.unread.bytes).toBeGreaterThan(2_000_000);
  const asJson = await rig.stranger().post(initialize, { Accept: "application/json" });
  expect(await asJson.json()).toMatchObject({ id: 0, error: { code: -32_603 } });
  const asEvents = new EventReader(await rig.stranger().post(initialize));
  expect(JSON.parse((await asEvents.next())!.data)).toMatchObject({ id: 0, error: { code: -32_603 } });
  for (const { body } of held) await body!.cancel();
  expect(rig.unread.bytes).toBe(0);
});
