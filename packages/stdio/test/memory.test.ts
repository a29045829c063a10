import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { messagesOfBatch } from "../src/batch.js";
import { isRequest, parseMessage, type Message } from "../src/message.js";
import { Unread } from "../src/http/unread.js";
import { MessageQueue } from "../src/legacy/message-queue.js";
import { Sessions } from "../src/legacy/sessions.js";
import { SharedProcess } from "../src/modern/shared-process.js";
import { toServer } from "../src/modern/rewrite.js";
import { resolveOptions } from "../src/options.js";
import { FakePipes } from "./support/fake-pipe.js";
import { answerInitialize, call, initialize } from "./legacy/visitor.js";
import { FakeBackoff } from "./support/fake-backoff.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Says whether the value of a message that was given to `use` is kept afterwards. */
async function isKept(message: object, use: (message: Message) => void): Promise<boolean> {
  const give = (): WeakRef<object> => {
    const parsed = parseMessage(JSON.stringify(message))!;
    use(parsed);
    return new WeakRef(parsed.value);
  };
  const value = give();
  // A WeakRef holds what it was made for until the turn ends.
  await nextTurn();
  collectGarbage();
  return value.deref() !== undefined;
}

const post = (headers: Record<string, string> = {}) =>
  new Request("http://bridge.test/mcp", { method: "POST", headers });

async function openSession() {
  const pipes = new FakePipes((pipe) => answerInitialize(pipe));
  const sessions = new Sessions(
    resolveOptions({ command: "server" }),
    pipes.open,
    new FakeBackoff(),
    new Unread(1_000_000),
  );
  const opened = await sessions.post(post(), [parseMessage(JSON.stringify(initialize))!], false);
  return {
    sessions,
    pipe: pipes.opened.at(0)!,
    headers: { "Mcp-Session-Id": opened.headers.get("Mcp-Session-Id")! },
  };
}

it("the value of a message is not kept while its session starts", async () => {
  const pipes = new FakePipes();
  const sessions = new Sessions(
    resolveOptions({ command: "server" }),
    pipes.open,
    new FakeBackoff(),
    new Unread(1_000_000),
  );
  expect(await isKept(initialize, (message) => void sessions.post(post(), [message], false))).toBe(false);
  expect(pipes.opened).toHaveLength(1);
  await sessions.close();
});

it("the value of a message is not kept while its answer is gathered, and while it waits for its turn", async () => {
  const { sessions, pipe, headers } = await openSession();
  const use = (message: Message) => void sessions.post(post(headers), [message], false);
  pipe.isFull = true;
  expect(await isKept(call(1), use)).toBe(false);
  expect(await isKept(call(2), use)).toBe(false);
  expect(pipe.received.map(({ id }) => id)).toEqual([0, 1]);
  pipe.drain();
  expect(pipe.received.at(-1)).toMatchObject({ id: 2, method: "tools/call" });
  await sessions.close();
});

it("the value of a message is not kept while it waits for the shared process", async () => {
  const pipes = new FakePipes();
  const process = new SharedProcess(pipes.open, { onAnswer() {}, onEnd() {}, onStray() {} });
  const caller = { notify() {}, answer() {}, end() {}, fail() {} };
  pipes.opened.at(0)!.isFull = true;
  const use = (message: Message) => void process.request(message as never, caller);
  expect(await isKept(call(1), use)).toBe(false);
  expect(await isKept(call(2), use)).toBe(false);
  pipes.opened.at(0)!.drain();
  expect(pipes.opened.at(0)!.received).toHaveLength(2);
  await process.end();
});

it("the value of a server's message is not kept while it waits for a GET stream", async () => {
  const queue = new MessageQueue(10, 1_000, () => {});
  expect(await isKept(call("a"), (message) => queue.push(message))).toBe(false);
  expect(queue.takeAll().map(isRequest)).toEqual([true]);
});

it("a text is not kept for the sake of a part of it", () => {
  const names: unknown[] = [];
  const texts: string[] = [];
  collectGarbage();
  const before = process.memoryUsage();
  for (let n = 0; n < 20; n++) {
    const id = `0000-0000-0000-0000-${n}`;
    const long = "x".repeat(4_194_304);
    const text = `{"jsonrpc":"2.0","id":"${id}","method":"a","params":{"long":"${long}"}}`;
    names.push(toServer(parseMessage(text) as never, 1).names);
    const batch = `[{"jsonrpc":"2.0","id":"${id}","method":"a"},${text}]`;
    texts.push(messagesOfBatch(batch, JSON.parse(batch) as unknown[])!.at(0)!.text);
  }
  collectGarbage();
  const after = process.memoryUsage();
  const kept = after.heapUsed + after.external - before.heapUsed - before.external;
  expect(kept).toBeLessThan(40_000_000);
  expect([names.length, texts.length]).toEqual([20, 20]);
});

it.each([
  ["an id", { id: "x".repeat(1_025) }],
  ["a progress token", { id: 1, params: { _meta: { progressToken: "x".repeat(1_025) } } }],
])("%s that is too long to be kept is no part of a message", (_what, members) => {
  expect(parseMessage(JSON.stringify({ jsonrpc: "2.0", method: "a", ...members }))).toBeUndefined();
});
