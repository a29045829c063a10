import type { Dispatcher } from "undici";
import { expect, it, vi } from "vitest";
import { Bench, call } from "../../packages/stdio/test/legacy/visitor.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";

const closing = closingAfterEach();
const mebibyte = 1_048_576;
const budget = 8 * mebibyte;
const count = 100;

/**
 * The attack: visitors ask for long answers through the tunnel, and read none of them. The bridge has each
 * answer whole, because its server has written it.
 */
it.each([
  ["JSON", "application/json"],
  ["events", "application/json, text/event-stream"],
])("answers as %s that nobody reads take no more than the budget", async (_what, accept) => {
  const rig = closing(new Bench({ maxUnreadBytes: budget }));
  const visitor = await rig.visitor();
  const tunnel = closing(await startInProcess({ client: { fetch: (request) => rig.handle(request) } }));
  const ask = (id: number): Promise<Dispatcher.ResponseData<unknown>> =>
    tunnel.visit("/mcp", {
      method: "POST",
      headers: { ...visitor.headers, "Content-Type": "application/json", Accept: accept },
      body: JSON.stringify(call(id)),
    });
  const asked = Array.from({ length: count }, (_, index) => ask(index));
  await vi.waitFor(() => expect(visitor.server.sent.length).toBeGreaterThan(count), { timeout: 20_000 });
  const result = { text: "x".repeat(mebibyte) };
  for (let id = 0; id < count; id++) {
    visitor.server.say({ id, result });
    expect(rig.unread.bytes).toBeLessThanOrEqual(budget);
  }
  expect(rig.unread.bytes).toBeGreaterThan(budget / 2);
  const answers = await Promise.all(asked);
  // The visitors change their minds.
  const texts = await Promise.all(answers.map(({ body }) => body.text()));
  const isLong = (text: string): boolean => text.length > mebibyte;
  expect(texts.filter(isLong).length).toBeGreaterThan(4);
  expect(texts.filter((text) => !isLong(text) && text.length > 4_096)).toEqual([]);
  expect(rig.unread.bytes).toBe(0);
});
