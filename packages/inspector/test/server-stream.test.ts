import { EventEmitter } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { StreamMessage } from "../src/model.js";
import { StreamHub } from "../src/server/hub.js";
import { StreamReader } from "../src/server/stream.js";
import { captured } from "./support/captured.js";
import { openTestPage, summaryOfTest, type TestPage, type TestStream } from "./support/page.js";

let page: TestPage;
const open = async (...args: Parameters<typeof openTestPage>): Promise<TestPage> =>
  (page = await openTestPage(...args));
afterEach(() => page.close());

const isServers = ({ type }: StreamMessage): boolean => type === "servers";

/** A stream that has told what was there. */
async function loaded(path?: string): Promise<TestStream> {
  const stream = await page.stream(path);
  await stream.until(isServers);
  return stream;
}

const idsIn = (message: StreamMessage): number[] =>
  message.type === "exchanges" ? message.exchanges.map(({ id }) => id) : [];

/** The next message that is about exchanges. */
async function nextOf(stream: TestStream, type: StreamMessage["type"]): Promise<StreamMessage> {
  return (await stream.until((message) => message.type === type)).at(-1) as StreamMessage;
}

describe("what is there comes first", () => {
  it("as state, exchanges, sessions, servers, also if there is nothing", async () => {
    await open();
    const stream = await page.stream();
    expect(stream.response.headers["content-type"]).toBe("application/x-ndjson");
    const messages = await stream.until(isServers);
    expect(messages).toMatchObject([
      { type: "state", state: { connection: "online" } },
      { type: "exchanges", exchanges: [] },
      { type: "sessions", sessions: [], gone: [] },
      { type: "servers", servers: [] },
    ]);
  });

  it("in the order of ids, 200 in a message at most", async () => {
    await open();
    const ids = Array.from({ length: 450 }, () => page.add(captured()).id);
    page.sessions.push({ key: "s1" } as never);
    const messages = await (await page.stream()).until(isServers);
    const lists = messages.map(idsIn).filter((list) => list.length > 0);
    expect(lists.flat()).toEqual(ids);
    expect(Math.max(...lists.map((list) => list.length))).toBeLessThanOrEqual(200);
    expect(messages.at(-2)).toEqual({ type: "sessions", sessions: [{ key: "s1" }], gone: [] });
  });
});

describe("changes", () => {
  it("of an entry are told once, however many there were", async () => {
    await open();
    let summaries = 0;
    const { views } = page.parts;
    Object.assign(views, {
      summary: (entry: ReturnType<typeof captured>) => {
        summaries++;
        return summaryOfTest(entry);
      },
    });
    const stream = await loaded();
    const entry = page.add(captured({ status: null }));
    for (let i = 0; i < 1_000; i++) page.hub.event(entry);
    page.hub.over(entry);
    expect(idsIn(await nextOf(stream, "exchanges"))).toEqual([entry.id]);
    const next = page.add(captured());
    expect(idsIn(await nextOf(stream, "exchanges"))).toEqual([next.id]);
    expect(summaries).toBe(2);
  });

  it("tell what has gone, but nothing of what came and went unseen", async () => {
    await open();
    const old = page.add(captured());
    const stream = await loaded();
    page.drop(page.add(captured()));
    page.drop(old);
    expect(await nextOf(stream, "gone")).toEqual({ type: "gone", ids: [old.id] });
  });

  it("keep to the filter of each reader", async () => {
    await open();
    const [wide, narrow] = [await loaded(), await loaded("/api/stream?status=5xx")];
    page.add(captured({ path: "/a" }));
    const failed = page.add(captured({ status: 500 }));
    expect(idsIn(await nextOf(wide, "exchanges"))).toHaveLength(2);
    expect(idsIn(await nextOf(narrow, "exchanges"))).toEqual([failed.id]);
    // What does not match any more is gone for the reader.
    page.entries.set(failed.id, captured({ status: 200, entry: { id: failed.id } }));
    page.hub.over(failed);
    expect(await nextOf(narrow, "gone")).toEqual({ type: "gone", ids: [failed.id] });
  });

  it("of the state, sessions and servers are told", async () => {
    await open();
    const stream = await loaded();
    await page.ask("/api/pause", { method: "POST", body: '{"paused":true}' });
    page.hub.stateChanged();
    expect(await nextOf(stream, "state")).toMatchObject({ state: { paused: true } });
    page.sessions.push({ key: "s1" } as never);
    page.hub.sessionsChanged(["s1"], []);
    expect(await nextOf(stream, "sessions")).toEqual({
      type: "sessions",
      sessions: [{ key: "s1" }],
      gone: [],
    });
    page.sessions.length = 0;
    page.hub.sessionsChanged([], ["s1", "never-seen"]);
    expect(await nextOf(stream, "sessions")).toEqual({ type: "sessions", sessions: [], gone: ["s1"] });
    page.hub.serversChanged();
    expect(await nextOf(stream, "servers")).toEqual({ type: "servers", servers: [] });
  });

  it("begin anew after all was cleared", async () => {
    await open();
    page.add(captured());
    const stream = await loaded();
    await page.ask("/api/exchanges", { method: "DELETE" });
    const { id } = page.add(captured());
    const messages = await stream.until(({ type }) => type === "sessions");
    expect(messages.map(({ type }) => type).filter((type) => type !== "state")).toEqual([
      "reset",
      "exchanges",
      "sessions",
    ]);
    expect(messages.flatMap(idsIn)).toEqual([id]);
  });

  it("come by time alone for a filter of durations", async () => {
    await open();
    const stream = await loaded("/api/stream?slower=500");
    const entry = page.add(captured({ status: null, entry: { startedAt: Date.now() } }));
    expect(idsIn(await nextOf(stream, "exchanges"))).toEqual([entry.id]);
    expect(Date.now() - entry.startedAt).toBeGreaterThan(500);
  });
});

describe("a reader who reads nothing", () => {
  it("is written nothing more until he has read", async () => {
    await open();
    const written: StreamMessage[] = [];
    let isWelcome = true;
    const res = Object.assign(new EventEmitter(), {
      writeHead: () => res,
      end: () => res,
      write: (line: string) => {
        written.push(JSON.parse(line) as StreamMessage);
        return isWelcome;
      },
    });
    const reader = new StreamReader(res as never, page.parts, { matches: () => true, isAging: false });
    const leave = page.hub.read(reader);
    const old = page.add(captured());
    await vi.waitFor(() => expect(written.flatMap(idsIn)).toEqual([old.id]));
    isWelcome = false;
    page.hub.serversChanged();
    const toldBefore = written.length;
    await vi.waitFor(() => expect(written).toHaveLength(toldBefore + 1));
    const nothing = { changed: [], gone: [], sessions: [], goneSessions: [], servers: false, cleared: false };
    for (let i = 0; i < 1_000; i++) {
      const { id } = page.add(captured());
      const changes = { ...nothing, changed: [id], gone: i === 0 ? [old.id] : [] };
      if (i === 0) page.entries.delete(old.id);
      reader.take(Object.fromEntries(Object.entries(changes).map(asSet)) as never);
    }
    expect(written).toHaveLength(toldBefore + 1);
    isWelcome = true;
    res.emit("drain");
    // The hub may tell of some of them once more meanwhile.
    await vi.waitFor(() => expect(new Set(written.slice(toldBefore).flatMap(idsIn)).size).toBe(1_000));
    expect(written.filter(({ type }) => type === "gone")).toEqual([{ type: "gone", ids: [old.id] }]);
    leave();
    reader.close();
  });

  it("catches up when he reads again", async () => {
    await open();
    const path = `/${"x".repeat(2_000)}`;
    const stream = await loaded();
    stream.response.pause();
    let last = 0;
    for (let round = 0; round < 10; round++) {
      for (const entry of [...page.entries.values()]) page.drop(entry);
      for (let i = 0; i < 2_000; i++) last = page.add(captured({ path })).id;
      await new Promise(setImmediate);
    }
    stream.response.resume();
    const known = new Set<number>();
    await stream.until((message) => {
      for (const id of idsIn(message)) known.add(id);
      if (message.type === "gone") for (const id of message.ids) known.delete(id);
      return known.has(last) && known.size === 2_000;
    });
  });
});

function asSet([name, value]: [string, unknown]): [string, unknown] {
  return [name, Array.isArray(value) ? new Set(value) : value];
}

it("a 17th stream is refused until another one ends", async () => {
  await open();
  const streams = await Promise.all(Array.from({ length: 16 }, () => loaded()));
  const refused = await page.ask("/api/stream");
  expect([refused.status, refused.text]).toEqual([429, expect.stringContaining("too_many")]);
  streams[0]?.close();
  await vi.waitFor(async () => {
    const stream = await page.stream();
    stream.close();
    expect(stream.status).toBe(200);
  });
});

it("a stream with a wrong filter is refused, and HEAD has none", async () => {
  await open();
  expect((await page.ask("/api/stream?kind=x")).status).toBe(400);
  expect((await page.ask("/api/stream", { method: "HEAD" })).status).toBe(200);
});

it("while nobody reads there is no timer and nothing is kept", () => {
  vi.useFakeTimers();
  try {
    const hub = new StreamHub();
    const entry = captured();
    const tell = (): void => {
      hub.begun(entry);
      hub.event(entry);
      hub.gone(entry);
      hub.sessionsChanged(["s1"], ["s2"]);
      hub.serversChanged();
      hub.stateChanged();
      hub.cleared();
    };
    tell();
    expect(vi.getTimerCount()).toBe(0);
    const took: unknown[] = [];
    const leave = hub.read({ take: (changes) => took.push(changes) });
    tell();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(100);
    expect(took).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
    tell();
    leave();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
