import { afterEach, expect, it, vi } from "vitest";
import { messagesOf, post, received, scriptedServer, started } from "./scripted-server.js";

afterEach(() => {
  vi.useRealTimers();
});

const megabyte = "x".repeat(1_000_000);

/** A server, a request that it works on, and its answer. */
async function working() {
  const rig = scriptedServer({ maxUnreadBytes: 1_500_000 });
  const ask = async (id: string, count: number) => {
    const response = rig.server.post(
      ...post("tools/call", { id, params: { name: "t" }, meta: { progressToken: 1 } }),
    );
    const process = await started(rig.processes);
    await received(process, count);
    const number = process.last["id"] as number;
    return {
      response,
      process,
      number,
      progress: (message: string) =>
        process.say({
          jsonrpc: "2.0",
          method: "notifications/progress",
          params: { progressToken: number, progress: 1, message },
        }),
    };
  };
  return { ...rig, ask };
}

it("an answer beyond the budget becomes an error", async () => {
  const { ask, unread } = await working();
  const one = await ask("a", 1);
  one.process.answer({ megabyte });
  const held = await one.response;
  const two = await ask("b", 2);
  two.process.answer({ megabyte });
  expect(await messagesOf(await two.response)).toMatchObject([{ id: "b", error: { code: -32_603 } }]);
  expect(unread.bytes).toBeGreaterThan(1_000_000);
  expect(await messagesOf(held)).toMatchObject([{ id: "a", result: { megabyte } }]);
  expect(unread.bytes).toBe(0);
});

it("a stream that would go beyond the budget ends with an error, and its request is cancelled", async () => {
  const { ask, unread } = await working();
  const one = await ask("a", 1);
  one.progress("short");
  const response = await one.response;
  one.progress(megabyte);
  one.progress(megabyte);
  expect(one.process.last).toMatchObject({
    method: "notifications/cancelled",
    params: { requestId: one.number },
  });
  const messages = await messagesOf(response);
  expect(messages.length).toBeLessThan(4);
  expect(messages.at(-1)).toMatchObject({ id: "a", error: { code: -32_603 } });
  expect(unread.bytes).toBe(0);
});

it("an answer that a stream has no room for becomes an error on it", async () => {
  const { ask } = await working();
  const one = await ask("a", 1);
  one.progress(megabyte);
  const response = await one.response;
  one.process.answer({ megabyte });
  expect((await messagesOf(response)).at(-1)).toMatchObject({ id: "a", error: { code: -32_603 } });
});

it("a request whose visitor takes nothing for 30 s of what waits is cancelled", async () => {
  const { ask, unread } = await working();
  const one = await ask("a", 1);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  one.progress("x".repeat(10_000));
  const response = await one.response;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(one.process.last).toMatchObject({ method: "notifications/cancelled" });
  expect(unread.bytes).toBeGreaterThan(0);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(unread.bytes).toBe(0);
  await expect(response.text()).rejects.toThrow("nothing");
  vi.useRealTimers();
});
