import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Attention } from "../src/mcp/attention.js";
import type { Captured } from "../src/captured.js";
import {
  clientInfo,
  fakeHider,
  type FakeExchange,
  initialize,
  initialized,
  modern,
  notification,
  openSession,
  request,
  result,
  Rig,
  text,
  toolCall,
} from "./support/mcp-rig.js";

const still = { still: (work: () => void) => work() };

/** A room that is read when somebody looks. */
function attended(): { rig: Rig; attention: Attention } {
  const rig = new Rig();
  const attention = new Attention(rig.view, still);
  rig.listener = attention;
  return { rig, attention };
}

/** A log in the place of the room. `workMs`: how long it reads a request. */
function logged(workMs = 0) {
  const told: string[] = [];
  const note =
    (what: string) =>
    ({ id }: Captured, more?: { data: string }): void => {
      told.push(more === undefined ? `${what} ${id}` : `${what} ${id} ${more.data}`);
      for (const until = performance.now() + workMs; performance.now() < until; );
    };
  const attention = new Attention(
    {
      requested: note("requested"),
      answered: note("answered"),
      event: note("event"),
      over: note("over"),
      gone: note("gone"),
      canWait: ({ head }) => head.path !== "/at-once",
    },
    still,
  );
  const rig = new Rig();
  rig.listener = attention;
  return { rig, attention, told };
}

async function looked(attention: Attention): Promise<() => void> {
  const lookAway = attention.look();
  await attention.caughtUp;
  return lookAway;
}

const call = (rig: Rig, id: number, headers = {}): FakeExchange =>
  rig.post(toolCall(id, "add"), { headers }).json(result(id, text("3")));

afterEach(() => {
  vi.useRealTimers();
});

describe("while nobody looks", () => {
  it("nothing is read, and all of it in order once somebody does", async () => {
    const { rig, attention, told } = logged();
    const first = rig.post({}).events();
    const second = rig.post({});
    first.event("one");
    second.json({});
    first.event("two").end();
    expect(told).toEqual([]);
    await looked(attention);
    expect(told).toEqual([
      ...["requested 1", "answered 1", "requested 2", "event 1 one", "answered 2", "over 2"],
      ...["event 1 two", "over 1"],
    ]);
  });

  it("what has left the ring is not read at all", async () => {
    const { rig, attention, told } = logged();
    const first = rig.post({}).events();
    const second = rig.post({}).json({});
    first.event("one");
    rig.forget(first);
    expect(told).toEqual(["gone 1"]);
    first.end();
    rig.forget(first);
    await looked(attention);
    expect(told.slice(2)).toEqual(["requested 2", "answered 2", "over 2"]);
    rig.forget(second);
    expect(told.at(-1)).toBe("gone 2");
  });

  it("what cannot wait is read at once, and overtakes what can", () => {
    const { rig, told } = logged();
    rig.post({}).json({});
    rig.post({}, { path: "/at-once" }).json({});
    expect(told).toEqual(["requested 2", "answered 2", "over 2"]);
  });

  it("no more waits than there is room for: the oldest is read", () => {
    const { rig, told } = logged();
    const stream = rig.post({}).events();
    for (let i = 0; i < 9_000; i++) stream.event(`${i}`);
    expect(told).toHaveLength(9_002 - 8_192);
    expect(told.slice(0, 3)).toEqual(["requested 1", "answered 1", "event 1 0"]);
  });

  it("texts of events take no more than a few MiB", () => {
    const { rig, told } = logged();
    const stream = rig.post({}).events();
    const long = "x".repeat(64 * 1_024);
    for (let i = 0; i < 200; i++) {
      stream.event(long);
      stream.dropEvents(1);
    }
    expect(told.length).toBeGreaterThan(130);
    expect(told.length).toBeLessThan(150);
  });

  it("room that the dropped have had is room again", () => {
    const { rig, told } = logged();
    for (let round = 0; round < 10; round++) {
      const oldest = rig.post({});
      const stream = rig.post({}).events();
      for (let i = 0; i < 4_000; i++) {
        stream.event("x".repeat(500));
        stream.dropEvents(1);
      }
      rig.forget(stream);
      rig.forget(oldest);
    }
    expect(told.filter((line) => !line.startsWith("gone"))).toHaveLength(0);
  });
});

describe("once somebody looks", () => {
  it("what comes is read at once", async () => {
    const { rig, attention, told } = logged();
    await looked(attention);
    rig.post({});
    expect(told).toEqual(["requested 1"]);
  });

  it("the tunnel has its turns, and what comes meanwhile is read in its turn", async () => {
    const { rig, attention, told } = logged(6);
    const open = Array.from({ length: 5 }, () => rig.post({}));
    attention.look();
    // One slice was worked at once.
    expect(told).toEqual(["requested 1"]);
    for (const exchange of open) exchange.head(200);
    // Each that comes has one read, so that no more waits than before.
    expect(told).toHaveLength(6);
    await attention.caughtUp;
    const all = (what: string): string[] => open.map(({ entry }) => `${what} ${entry.id}`);
    expect(told).toEqual([...all("requested"), ...all("answered")]);
    open[0]?.end();
    expect(told.at(-1)).toBe("over 1");
  });

  it("two that look wait for the same", async () => {
    const { rig, attention, told } = logged(6);
    for (let i = 0; i < 3; i++) rig.post({});
    attention.look()();
    attention.look();
    await attention.caughtUp;
    expect(told).toEqual(["requested 1", "requested 2", "requested 3"]);
  });

  it("it goes on for a while after the last look", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { rig, attention, told } = logged();
    const one = await looked(attention);
    const other = await looked(attention);
    one();
    one();
    vi.advanceTimersByTime(60_000);
    rig.post({});
    expect(told).toEqual(["requested 1"]);
    other();
    vi.advanceTimersByTime(29_000);
    const again = await looked(attention);
    vi.advanceTimersByTime(29_000);
    rig.post({});
    expect(told).toHaveLength(2);
    again();
    vi.advanceTimersByTime(30_000);
    rig.post({});
    expect(told).toHaveLength(2);
    await looked(attention);
    expect(told).toHaveLength(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no timer when it is closed, whoever stops looking afterwards", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { attention } = logged();
    const lookAway = await looked(attention);
    (await looked(attention))();
    attention.close();
    lookAway();
    attention.look()();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("what tells of a session", () => {
  it("is known although it has left the ring before anybody has looked", async () => {
    const { rig, attention } = attended();
    const opened = rig.post(initialize()).json(initialized(), { headers: { "mcp-session-id": "an id" } });
    const headers = { "mcp-session-id": "an id" };
    const tools = { tools: [{ name: "add", inputSchema: { type: "object" } }] };
    // As PHP writes a slash.
    const listed = rig.post(JSON.stringify(request(1, "tools/list")).replace("/", "\\/"), { headers });
    listed.events().event(result(1, tools)).end();
    const lost = call(rig, 2, headers);
    for (const exchange of [opened, listed, lost]) rig.forget(exchange);
    const kept = call(rig, 3, headers);
    expect(kept.entry.mcp).toBeUndefined();
    await looked(attention);
    expect(rig.onlySession).toMatchObject({ client: clientInfo, id: "an id", calls: 1 });
    expect(rig.view.session(rig.onlySession.key)?.tools).toMatchObject([{ name: "add" }]);
    expect(rig.call(kept.key)).toMatchObject({ outcome: "ok", name: "add" });
  });

  it("is known of revision 2026-07-28, too", async () => {
    const { rig, attention } = attended();
    const discover = rig.request(modern(1, "server/discover"));
    discover.json(
      result(1, { capabilities: {}, _meta: { "io.modelcontextprotocol/serverInfo": clientInfo } }),
    );
    rig.forget(discover);
    rig.request(modern(2, "tools/call", { name: "add" })).json(result(2, text("3")));
    await looked(attention);
    expect(rig.onlySession).toMatchObject({ client: clientInfo, server: clientInfo, calls: 1 });
  });

  it("is its end, although the DELETE has left the ring", async () => {
    const { rig, attention } = attended();
    const headers = openSession(rig);
    const end = rig.request({ method: "DELETE", headers, startedAt: 2_000 }).head(200).end();
    rig.forget(end);
    await looked(attention);
    expect(rig.onlySession.endedAt).toBe(2_001);
  });

  // The stream leaves the ring as soon as 2,000 others have come, and tells what their calls have become.
  it("is all of the transport HTTP with SSE, whose answers come on another stream", async () => {
    const { rig, attention } = attended();
    const stream = rig.request({ method: "GET", path: "/sse" }).events();
    stream.event("/messages?id=1", 1, { event: "endpoint" });
    const post = (body: object): FakeExchange => rig.post(body, { path: "/messages?id=1" }).head(202).end();
    post(initialize());
    stream.event(initialized());
    const called = post(toolCall(1, "add"));
    stream.event(result(1, text("3")));
    rig.forget(stream);
    await looked(attention);
    expect(rig.onlySession).toMatchObject({ client: clientInfo, server: { name: "a server" } });
    expect(rig.call(called.key).outcome).toBe("ok");
  });

  it("waits if it was begun to be read, so that a call is cancelled before it ends", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { rig, attention } = attended();
    const headers = openSession(rig);
    const lookAway = await looked(attention);
    const long = rig.post(toolCall(1, "add"), { headers }).events();
    lookAway();
    vi.advanceTimersByTime(30_000);
    rig
      .post(notification("notifications/cancelled", { requestId: 1 }), { headers })
      .head(202)
      .end();
    long.end();
    expect(rig.call(long.key).outcome).toBe("open");
    await looked(attention);
    expect(rig.call(long.key).outcome).toBe("cancelled");
  });
});

it("forgets what waits when all is cleared", async () => {
  const { rig, attention } = attended();
  const headers = openSession(rig);
  const open = rig.post(toolCall(1, "add"), { headers });
  rig.forget(open);
  rig.view.clear();
  await looked(attention);
  expect(rig.sessions).toEqual([]);
});

it("reads the same, whenever somebody looks", async () => {
  const step = fc.record({
    what: fc.constantFrom("call", "stream", "event", "answer", "end", "cancel", "list", "get", "modern"),
    which: fc.nat(5),
    looks: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const lazy = attended();
      const rigs = [new Rig(), lazy.rig];
      for (const rig of rigs) openSession(rig);
      const open = rigs.map((): FakeExchange[] => []);
      for (const [index, { what, which, looks }] of steps.entries()) {
        if (looks && index % 10 === 9) await looked(lazy.attention);
        for (const [i, rig] of rigs.entries()) play(rig, open[i] ?? [], index, what, which);
      }
      await looked(lazy.attention);
      const [eager, later] = rigs.map(({ view, entries }) => ({
        // What cannot wait is read first, so that the order may differ.
        sessions: view.sessions().toSorted((one, other) => one.key.localeCompare(other.key)),
        summaries: Array.from(entries.values(), (entry) => view.summary(entry)),
        calls: Array.from(entries.values(), (entry) => view.callsOf(entry)).map((keys) =>
          keys.map((key) => view.call(key, fakeHider())),
        ),
      }));
      expect(later).toEqual(eager);
    }),
  );
});

/** One thing happens. */
function play(rig: Rig, open: FakeExchange[], id: number, what: string, which: number): void {
  const headers = { "mcp-session-id": "an id" };
  const one = open[which % Math.max(open.length, 1)];
  const atMs = id * 10;
  switch (what) {
    case "call":
      open.push(rig.post(toolCall(id, "add"), { headers, startedAt: 1_000 + atMs }));
      return;
    case "stream":
      open.push(rig.post(toolCall(id, "wait"), { headers, startedAt: 1_000 + atMs }).events());
      return;
    case "get":
      open.push(rig.request({ method: "GET", headers, startedAt: 1_000 + atMs }).events());
      return;
    case "list":
      rig.post(request(id, "tools/list"), { headers }).json(result(id, { tools: [{ name: `t${id}` }] }));
      return;
    case "modern":
      rig.request(modern(id, "tools/call", { name: "add" })).json(result(id, text("3")));
      return;
    case "cancel":
      rig
        .post(notification("notifications/cancelled", { requestId: id - which }), { headers })
        .head(202)
        .end();
      return;
    case "event":
      if (one?.entry.events !== undefined)
        one.event(notification("notifications/message", { level: "info", data: `${id}` }), atMs);
      return;
    case "answer":
      if (one?.entry.events !== undefined) one.event(result(id - which, text("3")), atMs);
      return;
    case "end":
      if (one === undefined) return;
      open.splice(open.indexOf(one), 1);
      if (one.entry.events === undefined) one.json(result(id - which, text("3")), { atMs });
      else one.end(atMs);
  }
}
