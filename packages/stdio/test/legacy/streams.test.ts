import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { EventReader } from "../support/events.js";
import { answerInitialize, Bench, call, notification, type Visitor } from "./visitor.js";

const closing = closingAfterEach();

afterEach(() => {
  vi.useRealTimers();
});

function bench(...of: ConstructorParameters<typeof Bench>): Bench {
  return closing(new Bench(...of));
}

async function posted(visitor: Visitor, ...of: Parameters<typeof call>): Promise<EventReader> {
  return new EventReader(await visitor.post(call(...of)));
}

function log(data: unknown): object {
  return notification("notifications/message", { level: "info", data });
}

function progress(progressToken: string | number, done: number): object {
  return notification("notifications/progress", { progressToken, progress: done });
}

/** What stands for a message in these tests. */
async function nextOf(reader: EventReader): Promise<unknown> {
  const event = await reader.next();
  if (event === undefined) return "end";
  const { id, method, params, result } = JSON.parse(event.data) as {
    id?: unknown;
    method?: string;
    params?: { data?: unknown; progress?: number };
    result?: unknown;
  };
  if (result !== undefined) return `result ${String(id)}`;
  return params?.data ?? params?.progress ?? `${method} ${String(id)}`;
}

async function allOf(reader: EventReader): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let next = await nextOf(reader); next !== "end"; next = await nextOf(reader)) all.push(next);
  return all;
}

const sampling = { id: 1, method: "sampling/createMessage", params: {} };

describe("a message of the server", () => {
  it("goes to the request whose progress it tells", async () => {
    const visitor = await bench().visitor();
    const [one, other] = [await posted(visitor, 1, "t"), await posted(visitor, 2, 7)];
    const get = new EventReader(await visitor.get());
    visitor.server.say(progress(7, 0.2));
    visitor.server.say(progress("t", 0.1));
    // Of no request: the token is a number, or has never been.
    visitor.server.say(progress("7", 0.3));
    visitor.server.say({ id: 1, result: {} });
    visitor.server.say(progress("t", 0.4));
    visitor.server.say({ id: 2, result: {} });
    expect(await allOf(one)).toEqual([0.1, "result 1"]);
    // Once the first is answered, the second is the only one.
    expect(await allOf(other)).toEqual([0.2, 0.4, "result 2"]);
    expect(await nextOf(get)).toBe(0.3);
  });

  it("goes to the only pending request, else to the GET stream", async () => {
    const visitor = await bench().visitor();
    const one = await posted(visitor, 1);
    visitor.server.say(log("one"));
    visitor.server.say(sampling);
    const get = new EventReader(await visitor.get());
    visitor.server.say(log("still one"));
    await posted(visitor, 2);
    visitor.server.say(log("get"));
    visitor.server.say({ ...sampling, id: 2 });
    expect(await nextOf(one)).toBe("one");
    expect(await nextOf(one)).toBe("sampling/createMessage 1");
    expect(await nextOf(one)).toBe("still one");
    expect(await nextOf(get)).toBe("get");
    expect(await nextOf(get)).toBe("sampling/createMessage 2");
  });

  it("goes to the only request that was not cancelled", async () => {
    const visitor = await bench().visitor();
    await posted(visitor, 1);
    const other = await posted(visitor, 2);
    await visitor.post(notification("notifications/cancelled", { requestId: 1 }));
    visitor.server.say(log("other"));
    expect(await nextOf(other)).toBe("other");
  });

  it("waits for the GET stream if there is none, in order", async () => {
    const visitor = await bench().visitor();
    for (const data of [1, 2, 3]) visitor.server.say(log(data));
    const get = new EventReader(await visitor.get());
    visitor.server.say(log(4));
    for (const data of [1, 2, 3, 4]) expect(await nextOf(get)).toBe(data);
  });

  it("that is a request goes to the newest connected stream, for want of a GET stream", async () => {
    const visitor = await bench().visitor();
    const [one, two, three] = [await posted(visitor, 1), await posted(visitor, 2), await posted(visitor, 3)];
    await three.leave();
    visitor.server.say(sampling);
    visitor.server.say(log("queue"));
    await two.leave();
    await one.leave();
    visitor.server.say({ ...sampling, id: 2 });
    expect(await nextOf(new EventReader(await visitor.resume("2-0")))).toBe("sampling/createMessage 1");
    expect(await nextOf(new EventReader(await visitor.resume("3-0")))).toBe("sampling/createMessage 2");
    expect(await nextOf(new EventReader(await visitor.get()))).toBe("queue");
  });

  it("goes past a request that is answered with JSON", async () => {
    const visitor = await bench().visitor();
    const answer = visitor.post(call(1, "t"), { Accept: "application/json" });
    await vi.waitFor(() => expect(visitor.server.sent).toHaveLength(2));
    visitor.server.say(progress("t", 0.5));
    const get = new EventReader(await visitor.get());
    visitor.server.say(log("x"));
    visitor.server.say({ id: 1, result: {} });
    expect(await (await answer).json()).toMatchObject({ id: 1, result: {} });
    expect(await nextOf(get)).toBe(0.5);
    expect(await nextOf(get)).toBe("x");
  });

  it("that cancels a request of the server follows it", async () => {
    const visitor = await bench().visitor();
    const one = await posted(visitor, 1);
    visitor.server.say({ ...sampling, id: 10 });
    const get = new EventReader(await visitor.get());
    await posted(visitor, 2);
    visitor.server.say({ ...sampling, id: 11 });
    visitor.server.say(notification("notifications/cancelled", { requestId: 10 }));
    visitor.server.say(notification("notifications/cancelled", { requestId: 11 }));
    for (const [reader, id] of [
      [one, 10],
      [get, 11],
    ] as const) {
      expect(await nextOf(reader)).toBe(`sampling/createMessage ${id}`);
      expect(JSON.parse((await reader.next())!.data)).toMatchObject({ params: { requestId: id } });
    }
  });

  it("that cancels a request which waits in the queue waits behind it", async () => {
    const visitor = await bench().visitor();
    visitor.server.say({ ...sampling, id: 10 });
    const one = await posted(visitor, 1);
    visitor.server.say(notification("notifications/cancelled", { requestId: 10 }));
    const get = new EventReader(await visitor.get());
    expect(await nextOf(get)).toBe("sampling/createMessage 10");
    expect(JSON.parse((await get.next())!.data)).toMatchObject({ params: { requestId: 10 } });
    visitor.server.say({ id: 1, result: {} });
    expect(await allOf(one)).toEqual(["result 1"]);
  });

  it("that answers nothing is dropped", async () => {
    const visitor = await bench().visitor();
    const one = await posted(visitor, 1);
    visitor.server.say({ id: 2, result: {} });
    visitor.server.say({ id: "1", result: {} });
    visitor.server.say({ id: null, error: { code: -32_700, message: "x" } });
    visitor.server.say({ id: 1, error: { code: -1, message: "x" } });
    visitor.server.say({ id: 1, result: {} });
    expect((await one.rest()).map((text) => JSON.parse(text) as object)).toEqual([
      { jsonrpc: "2.0", id: 1, error: { code: -1, message: "x" } },
    ]);
  });
});

describe("the queue", () => {
  it.each([{ maxKeptMessages: 2 }, { maxKeptBytes: 200 }])(
    "drops the oldest (%o), and tells the person once",
    async (limit) => {
      const rig = bench(limit);
      const visitor = await rig.visitor();
      visitor.server.say({ ...sampling, id: "q" });
      for (const data of [1, 2, 3]) visitor.server.say(log(data));
      expect(visitor.server.received.slice(1)).toEqual([
        {
          jsonrpc: "2.0",
          id: "q",
          error: { code: -32_603, message: "the client has not taken the request" },
        },
      ]);
      expect(rig.notices).toHaveLength(1);
      const get = new EventReader(await visitor.get());
      expect([await nextOf(get), await nextOf(get)]).toEqual([2, 3]);
    },
  );

  it("takes no message that is longer than all of it", async () => {
    const visitor = await bench({ maxKeptBytes: 200 }).visitor();
    visitor.server.say(log("x".repeat(200)));
    visitor.server.say(log(2));
    expect(await nextOf(new EventReader(await visitor.get()))).toBe(2);
  });
});

describe("a stream", () => {
  it("has ids, a session id and a first event without data", async () => {
    const visitor = await bench().visitor();
    const response = await visitor.post(call(1));
    expect(response.headers.get("Mcp-Session-Id")).toBe(visitor.headers["Mcp-Session-Id"]);
    expect(response.headers.get("X-Accel-Buffering")).toBe("no");
    const reader = new EventReader(response);
    expect(await reader.any()).toEqual({ id: "1-0", data: "" });
    visitor.server.say({ id: 1, result: {} });
    expect((await reader.any())!.id).toBe("1-1");
    const get = new EventReader(await visitor.get());
    expect(await get.any()).toEqual({ id: "0-0", data: "" });
  });

  it.each([
    [{ "MCP-Protocol-Version": "2025-06-18" }, "2025-11-25", "1-1"],
    [{ "MCP-Protocol-Version": "2025-11-25" }, "2025-06-18", "1-0"],
  ])("has no event without data for earlier revisions (%o)", async (headers, revision, id) => {
    const rig = bench({}, (pipe) => answerInitialize(pipe, revision));
    const visitor = await rig.visitor(headers);
    const reader = await posted(visitor, 1);
    visitor.server.say({ id: 1, result: {} });
    expect((await reader.any())!.id).toBe(id);
  });

  it("goes by the session's revision if the header is left out", async () => {
    const visitor = await bench().visitor();
    delete (visitor.headers as Record<string, string | undefined>)["MCP-Protocol-Version"];
    expect((await (await posted(visitor, 1)).any())!.data).toBe("");
  });

  it("is refused as a second GET stream, as long as the first is there", async () => {
    const visitor = await bench().visitor();
    const first = new EventReader(await visitor.get());
    expect((await visitor.get()).status).toBe(409);
    await first.leave();
    expect((await visitor.get()).status).toBe(200);
  });

  it("is refused by GET to a visitor who takes no events", async () => {
    const visitor = await bench().visitor();
    expect((await visitor.get({ Accept: "text/html" })).status).toBe(406);
    expect((await visitor.get({ Accept: "*/*" })).status).toBe(200);
  });
});

describe("a visitor who comes back", () => {
  it("gets what it has missed of a request, and the rest", async () => {
    const visitor = await bench().visitor();
    const first = await posted(visitor, 1, "t");
    visitor.server.say(progress("t", 1));
    visitor.server.say(progress("t", 2));
    expect(await nextOf(first)).toBe(1);
    await first.leave();
    visitor.server.say(progress("t", 3));
    const second = new EventReader(await visitor.resume(first.lastEventId));
    expect([await nextOf(second), await nextOf(second)]).toEqual([2, 3]);
    visitor.server.say(progress("t", 4));
    visitor.server.say({ id: 1, result: {} });
    expect(await allOf(second)).toEqual([4, "result 1"]);
  });

  it("gets a result that came meanwhile, and 204 once it has all", async () => {
    const visitor = await bench().visitor();
    const first = await posted(visitor, 1);
    await first.any();
    await first.leave();
    visitor.server.say({ id: 1, result: {} });
    const second = new EventReader(await visitor.resume(first.lastEventId));
    expect(await allOf(second)).toEqual(["result 1"]);
    expect((await visitor.resume(second.lastEventId)).status).toBe(204);
    // Another one who has lost the same again.
    expect(await allOf(new EventReader(await visitor.resume(first.lastEventId)))).toEqual(["result 1"]);
  });

  it("takes the stream from its old connection", async () => {
    const visitor = await bench().visitor();
    const old = await posted(visitor, 1);
    const get = new EventReader(await visitor.get());
    visitor.server.say({ id: 9, method: "ping" });
    const next = new EventReader(await visitor.resume("1-0"));
    const nextGet = new EventReader(await visitor.resume("0-0"));
    visitor.server.say({ id: 1, result: {} });
    visitor.server.say(log("x"));
    expect(await allOf(old)).toEqual(["ping 9"]);
    expect(await allOf(next)).toEqual(["ping 9", "result 1"]);
    expect(await allOf(get)).toEqual([]);
    expect(await nextOf(nextGet)).toBe("x");
    expect((await visitor.get()).status).toBe(409);
  });

  it("gets what it has missed of the GET stream, and what has waited, in order", async () => {
    const visitor = await bench().visitor();
    const first = new EventReader(await visitor.get());
    for (const data of [1, 2, 3]) visitor.server.say(log(data));
    expect(await nextOf(first)).toBe(1);
    await first.leave();
    visitor.server.say(log(4));
    const second = new EventReader(await visitor.resume(first.lastEventId));
    visitor.server.say(log(5));
    for (const data of [2, 3, 4, 5]) expect(await nextOf(second)).toBe(data);
  });

  it.each(["", "x", "1-", "7-0", "1-5", "0-1", "1-00000000000000000000", "0-0-0", "1--1"])(
    "is told if there is nothing to come back to (%j)",
    async (id) => {
      const visitor = await bench().visitor();
      await posted(visitor, 1);
      const response = await visitor.resume(id);
      expect(response.status).toBe(id === "" ? 200 : 400);
    },
  );

  it("is told if events are no longer kept", async () => {
    const visitor = await bench({ maxKeptMessages: 3 }).visitor();
    const first = await posted(visitor, 1, "t");
    await first.any();
    await first.leave();
    for (const done of [1, 2, 3, 4]) visitor.server.say(progress("t", done));
    const response = await visitor.resume("1-0");
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("no longer kept");
    const second = new EventReader(await visitor.resume("1-1"));
    for (const done of [2, 3, 4]) expect(await nextOf(second)).toBe(done);
    visitor.server.say({ id: 1, result: {} });
    expect(await allOf(second)).toEqual(["result 1"]);
    // Events of another request take the place of the finished stream's.
    const other = await posted(visitor, 2, "u");
    for (const done of [1, 2, 3]) visitor.server.say(progress("u", done));
    expect((await visitor.resume("1-5")).status).toBe(400);
    await other.leave();
  });

  it("can go on where it was even if nothing is kept", async () => {
    const visitor = await bench({ maxKeptMessages: 0 }).visitor();
    const first = await posted(visitor, 1, "t");
    visitor.server.say(progress("t", 1));
    expect(await nextOf(first)).toBe(1);
    await first.leave();
    const second = new EventReader(await visitor.resume("1-1"));
    visitor.server.say({ id: 1, result: {} });
    expect(await allOf(second)).toEqual(["result 1"]);
    expect((await visitor.resume("1-2")).status).toBe(400);
  });
});

const megabyte = "x".repeat(1_000_000);

describe("a visitor who reads slowly", () => {
  it("pauses its own server, until it reads", async () => {
    const rig = bench();
    const [slow, other] = [await rig.visitor(), await rig.visitor()];
    const stream = await posted(slow, 1);
    slow.server.say(log(megabyte));
    expect(slow.server.isPaused).toBe(false);
    slow.server.say(log(megabyte));
    expect(slow.server.isPaused).toBe(true);
    expect(other.server.isPaused).toBe(false);
    await nextOf(stream);
    await nextOf(stream);
    await vi.waitFor(() => expect(slow.server.isPaused).toBe(false));
  });

  it("pauses it as long as any of its streams is full", async () => {
    const visitor = await bench().visitor();
    const [one, other] = [await posted(visitor, 1, 1), await posted(visitor, 2, 2)];
    for (const token of [1, 2, 1, 2]) {
      visitor.server.say(notification("notifications/progress", { progressToken: token, message: megabyte }));
    }
    await one.leave();
    expect(visitor.server.isPaused).toBe(true);
    await other.leave();
    expect(visitor.server.isPaused).toBe(false);
  });

  it("is cut off after 30 seconds without a byte, and may come back", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const visitor = await bench().visitor();
    const stream = await posted(visitor, 1);
    for (const _ of [1, 2, 3]) visitor.server.say(log(megabyte));
    await vi.advanceTimersByTimeAsync(29_999);
    // It takes something, but still too much waits.
    await nextOf(stream);
    await vi.advanceTimersByTimeAsync(29_999);
    expect(visitor.server.isPaused).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(visitor.server.isPaused).toBe(false);
    expect(await allOf(stream)).toHaveLength(2);
    const again = new EventReader(await visitor.resume(stream.lastEventId));
    visitor.server.say({ id: 1, result: {} });
    expect(await allOf(again)).toEqual(["result 1"]);
  });

  it("loses its GET stream, which pauses nothing, and gets the rest when it comes back", async () => {
    const visitor = await bench().visitor();
    const stream = new EventReader(await visitor.get());
    visitor.server.say(log(megabyte));
    visitor.server.say(log(megabyte));
    expect(visitor.server.isPaused).toBe(false);
    visitor.server.say(log(3));
    visitor.server.say(log(4));
    expect(await allOf(stream)).toEqual([megabyte, megabyte]);
    const again = new EventReader(await visitor.resume(stream.lastEventId));
    expect([await nextOf(again), await nextOf(again)]).toEqual([3, 4]);
  });

  it("does not pause the server for a finished stream", async () => {
    const visitor = await bench().visitor();
    await posted(visitor, 1);
    visitor.server.say({ id: 1, result: { text: megabyte + megabyte } });
    expect(visitor.server.isPaused).toBe(false);
  });
});

describe("a stream on which nothing happens", () => {
  it("gets comments", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const visitor = await bench({ keepAliveMs: 15_000 }).visitor({ "MCP-Protocol-Version": "2025-06-18" });
    const reader = (await visitor.post(call(1))).body!.getReader();
    const read = reader.read();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(Buffer.from((await read).value!).toString()).toBe(": keepalive\n\n");
    await reader.cancel();
  });
});
