import { afterEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { get, Recorder, relayAndRawClient } from "./json-peer.js";

afterEach(() => {
  vi.useRealTimers();
});

const base64 = (text: string | Buffer): string => Buffer.from(text).toString("base64");

/** Opens a GET and returns the id it has on the wire. */
async function ask(relay: ReturnType<typeof relayAndRawClient>, head = get()) {
  const recorder = new Recorder();
  const stream = relay.session.open(head, true, recorder);
  await relay.client.settle();
  const request = relay.client.received.at(-1) as { id: string };
  return { recorder, stream, id: request.id };
}

describe("requests of JsonRelaySession", () => {
  it("sends a request without a body at once, as the original's message", async () => {
    const relay = relayAndRawClient();
    relay.session.open(get("/a?b=c%20d", ["Accept", "*/*", "X-One", "1"]), true, new Recorder());
    await relay.client.settle();
    expect(relay.client.received).toEqual([
      {
        kind: "request",
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        method: "GET",
        path: "/a?b=c%20d",
        headers: { Accept: "*/*", "X-One": "1" },
        body: null,
      },
    ]);
  });

  it("collects a body and sends it when it is whole", async () => {
    const relay = relayAndRawClient();
    const stream = relay.session.open({ method: "POST", path: "/", headers: [] }, false, new Recorder());
    expect(stream.write(Buffer.from("ab"))).toBe(true);
    stream.write(Buffer.from([0, 255]));
    await relay.client.settle();
    expect(relay.client.received).toEqual([]);
    stream.end(["X-Trailer", "dropped"]);
    await relay.client.settle();
    expect(relay.client.received).toMatchObject([{ method: "POST", body: "YWIA/w==" }]);
  });

  it("drops hop-by-hop fields, what Connection names, Content-Length, Expect and the upgrade", async () => {
    const relay = relayAndRawClient();
    const headers = Object.entries({
      Connection: "upgrade, X-Mine",
      "X-Mine": "1",
      Upgrade: "websocket",
      TE: "trailers",
      "Keep-Alive": "timeout=5",
      "Proxy-Authorization": "x",
      "Transfer-Encoding": "chunked",
      "Content-Length": "3",
      Expect: "100-continue",
      Host: "a.example",
    }).flat();
    relay.session.open({ ...get("/", headers), upgrade: true }, true, new Recorder());
    await relay.client.settle();
    expect(relay.client.received[0]?.["headers"]).toEqual({ Host: "a.example" });
  });

  it("joins repeated fields by a comma, Cookie by a semicolon, whatever their letter case", async () => {
    const relay = relayAndRawClient();
    const headers = ["Accept", "a", "cookie", "x=1", "ACCEPT", "b", "Cookie", "y=2", "__proto__", "p"];
    relay.session.open(get("/", headers), true, new Recorder());
    await relay.client.settle();
    const sent = relay.client.received[0]?.["headers"] as object;
    expect(Object.entries(sent)).toEqual([
      ["Accept", "a, b"],
      ["cookie", "x=1; y=2"],
      ["__proto__", "p"],
    ]);
  });

  it("sends bytes that are UTF-8 as that text and others as ISO 8859-1", async () => {
    const relay = relayAndRawClient();
    const utf8 = Buffer.from("/ä").toString("latin1");
    relay.session.open(get(utf8, ["X-Utf8", utf8, "X-Latin1", "\xe4"]), true, new Recorder());
    await relay.client.settle();
    expect(relay.client.received[0]).toMatchObject({
      path: "/ä",
      headers: { "X-Utf8": "/ä", "X-Latin1": "ä" },
    });
  });
});

describe("responses to JsonRelaySession", () => {
  it("takes a 0.1 response: head, body with its length, end", async () => {
    const relay = relayAndRawClient();
    expect(relay.session.wire).toBe("json");
    const { recorder, id } = await ask(relay);
    await relay.client.say({
      id,
      status: 201,
      headers: { "x-a": "1", "content-length": "99" },
      body: "aGk=",
    });
    expect(recorder.events).toEqual(["head 201", "data hi", "end"]);
    expect(recorder.head?.headers).toEqual(["x-a", "1", "Content-Length", "2"]);
    expect(recorder.headEnd).toBe(false);
    expect(relay.session.wire).toBe("json-0.1");
    expect(relay.session.streamCount).toBe(0);
  });

  it.each([{ body: null }, { body: "" }, {}])("takes a 0.1 response without a body (%j)", async (body) => {
    const relay = relayAndRawClient();
    const { recorder, id } = await ask(relay);
    await relay.client.say({ id, status: 200, headers: {}, ...body });
    expect(recorder.events).toEqual(["head 200", "end"]);
    expect(recorder.headEnd).toBe(true);
    expect(recorder.head?.headers).toEqual([]);
  });

  it("passes on a 0.2 response piece by piece", async () => {
    const relay = relayAndRawClient();
    const { recorder, id } = await ask(relay);
    await relay.client.say({ kind: "response_head", id, status: 200, headers: { "x-a": "1" } });
    expect(recorder.events).toEqual(["head 200"]);
    expect(relay.session.wire).toBe("json-0.2");
    await relay.client.say({ kind: "response_chunk", id, data: base64("one"), last: false });
    expect(recorder.events).toEqual(["head 200", "data one"]);
    await relay.client.say({ kind: "response_chunk", id, data: "", last: false });
    await relay.client.say({ kind: "response_chunk", id, data: base64("two"), last: true });
    expect(recorder.events).toEqual(["head 200", "data one", "data two", "end"]);
    expect(relay.session.streamCount).toBe(0);
  });

  it("gives no body to HEAD, 204 and 304, in either version", async () => {
    for (const [method, status] of [["HEAD", 200] as const, ["GET", 204] as const, ["GET", 304] as const]) {
      const relay = relayAndRawClient();
      const one = await ask(relay, { method, path: "/", headers: [] });
      await relay.client.say({ id: one.id, status, headers: {}, body: "aGk=" });
      const two = await ask(relay, { method, path: "/", headers: [] });
      await relay.client.say(
        { kind: "response_head", id: two.id, status, headers: {} },
        { kind: "response_chunk", id: two.id, data: "aGk=", last: true },
      );
      for (const { recorder } of [one, two]) {
        expect(recorder.events).toEqual([`head ${status}`, "end"]);
        expect(recorder.headEnd).toBe(true);
        expect(recorder.head?.headers).toEqual([]);
      }
    }
  });

  it("keeps every Set-Cookie: any spelling, or an array", async () => {
    const relay = relayAndRawClient();
    const { recorder, id } = await ask(relay);
    const headers = {
      "set-cookie": "a=1",
      "Set-cookie": "b=2",
      "X-List": ["c", "d"],
      "SET-COOKIE": ["e=3", "f=4"],
    };
    await relay.client.say({ kind: "response_head", id, status: 200, headers });
    expect(recorder.head?.headers).toEqual(
      [
        ["Set-Cookie", "a=1", "Set-Cookie", "b=2"],
        ["X-List", "c", "X-List", "d"],
        ["Set-Cookie", "e=3", "Set-Cookie", "f=4"],
      ].flat(),
    );
  });

  it("turns response_error into a reset, before the head and after it", async () => {
    const relay = relayAndRawClient();
    const before = await ask(relay);
    await relay.client.say({ kind: "response_error", id: before.id, message: "connection refused" });
    expect(before.recorder.events).toEqual(["reset upstream_unreachable"]);
    expect(before.recorder.resetReason?.message).toContain("connection refused");
    const after = await ask(relay);
    await relay.client.say(
      { kind: "response_head", id: after.id, status: 200, headers: {} },
      { kind: "response_error", id: after.id, message: "reset" },
    );
    expect(after.recorder.events).toEqual(["head 200", "reset upstream_failed"]);
  });

  it("cuts a 0.1 body over the limit, and takes one at the limit", async () => {
    const relay = relayAndRawClient({ maxResponseBody: 10 });
    const over = await ask(relay);
    await relay.client.say({ id: over.id, status: 200, headers: {}, body: base64("12345678901") });
    expect(over.recorder.events).toEqual(["reset body_too_large"]);
    const at = await ask(relay);
    await relay.client.say({ id: at.id, status: 200, headers: {}, body: base64("1234567890") });
    expect(at.recorder.events).toEqual(["head 200", "data 1234567890", "end"]);
  });

  const head = { kind: "response_head", status: 200, headers: {} };
  it.each([
    ["a status of 99", [{ status: 99, headers: {}, body: null }]],
    ["an interim status", [{ ...head, status: 101 }]],
    ["a fractional status", [{ ...head, status: 200.5 }]],
    ["a status in words", [{ ...head, status: "200" }]],
    ["no headers", [{ kind: "response_head", status: 200 }]],
    ["headers as an array", [{ ...head, headers: ["a", "b"] }]],
    ["a number as a header", [{ ...head, headers: { a: 1 } }]],
    ["a number in a header's array", [{ ...head, headers: { a: ["1", 2] } }]],
    ["a body that is not base64", [{ status: 200, headers: {}, body: "#!" }]],
    ["a body with foreign characters", [{ status: 200, headers: {}, body: "aG\nk" }]],
    ["a body that is an object", [{ status: 200, headers: {}, body: {} }]],
    ["data that is not base64", [head, { kind: "response_chunk", data: "abc", last: false }]],
    ["a chunk without last", [head, { kind: "response_chunk", data: "" }]],
    ["a chunk before its head", [{ kind: "response_chunk", data: "", last: true }]],
    ["a second head", [head, head]],
    ["a whole response after a head", [head, { status: 200, headers: {}, body: null }]],
  ])("fails the exchange, and no other, for %s", async (_, messages) => {
    const relay = relayAndRawClient();
    const bad = await ask(relay);
    const good = await ask(relay);
    await relay.client.say(...messages.map((message) => ({ id: bad.id, ...message })));
    expect(bad.recorder.events.at(-1)).toBe("reset bad_message");
    await relay.client.say({ id: good.id, status: 200, headers: {}, body: "aGk=" });
    expect(good.recorder.events).toEqual(["head 200", "data hi", "end"]);
    expect(relay.client.closed).toBeUndefined();
  });

  it("skips what it does not understand", async () => {
    const relay = relayAndRawClient();
    const { recorder, id } = await ask(relay);
    const unknown = "00000000-0000-4000-8000-000000000000";
    await relay.client.say("", "{", "null", "[]", "1", '"x"', Buffer.from("{}"), {}, { id: 7 });
    await relay.client.say({ id: unknown, status: 200, headers: {} }, { kind: "ping", id });
    await relay.client.say({ kind: "request", id }, { kind: "cancel", id });
    expect(recorder.events).toEqual([]);
    expect(relay.session.wire).toBe("json");
    await relay.client.say({ id, status: 200, headers: {}, body: null, extra: true });
    expect(recorder.events).toEqual(["head 200", "end"]);
  });
});

describe("cancellation by JsonRelaySession", () => {
  it("tells a client that is not known to be 0.1, and skips its late answers", async () => {
    const relay = relayAndRawClient();
    const { recorder, stream, id } = await ask(relay);
    stream.reset("cancelled");
    stream.reset("cancelled");
    await relay.client.say(
      { kind: "response_head", id, status: 200, headers: {} },
      { kind: "response_chunk", id, data: "", last: true },
    );
    expect(relay.client.received.slice(1)).toEqual([{ kind: "cancel", id }]);
    expect(recorder.events).toEqual([]);
  });

  it("says nothing to a 0.1 client, nor about a request that was not sent", async () => {
    const relay = relayAndRawClient();
    const first = await ask(relay);
    await relay.client.say({ id: first.id, status: 200, headers: {}, body: null });
    const second = await ask(relay);
    second.stream.reset("cancelled");
    relay.session.open(get(), false, new Recorder()).reset("cancelled");
    await relay.client.settle();
    expect(relay.client.received).toHaveLength(2);
    expect(relay.session.streamCount).toBe(0);
  });

  it("lets a handler reset its stream in any callback", async () => {
    const relay = relayAndRawClient();
    const { recorder, stream, id } = await ask(relay);
    recorder.onHead = () => stream.reset("cancelled");
    await relay.client.say({ id, status: 200, headers: {}, body: "aGk=" });
    expect(recorder.events).toEqual([]);
  });
});

describe("limits and the end of JsonRelaySession", () => {
  it("refuses streams over its limit and when too much is queued", async () => {
    const relay = relayAndRawClient({ maxStreams: 1 });
    const { id } = await ask(relay);
    const open = () => relay.session.open(get(), true, new Recorder());
    expect(open).toThrow(expect.objectContaining({ code: "overloaded" }));
    await relay.client.say({ id, status: 200, headers: {}, body: null });
    relay.link.bufferedBytes = 16 * 1024 * 1024 + 1;
    expect(open).toThrow(expect.objectContaining({ code: "overloaded" }));
    relay.link.bufferedBytes = 0;
    expect(open().id).toBeGreaterThan(0);
  });

  it("bounds the request bodies that it collects", () => {
    const relay = relayAndRawClient();
    const recorders = [new Recorder(), new Recorder()];
    const [first, second] = recorders.map((recorder) => relay.session.open(get(), false, recorder));
    first?.write(Buffer.alloc(40 * 1024 * 1024));
    second?.write(Buffer.alloc(30 * 1024 * 1024));
    expect(recorders.map((recorder) => recorder.events)).toEqual([[], ["reset overloaded"]]);
    // The bytes that the second stream held are free again.
    const third = new Recorder();
    relay.session.open(get(), false, third).write(Buffer.alloc(20 * 1024 * 1024));
    expect(third.events).toEqual([]);
  });

  it("refuses a body that became whole when too much waits for the client, and keeps the others", async () => {
    const relay = relayAndRawClient({ maxQueuedBytes: 1_000_000 });
    const recorders = [new Recorder(), new Recorder(), new Recorder()];
    const streams = recorders.map((recorder) => relay.session.open(get(), false, recorder));
    const [large, small] = streams;
    large?.write(Buffer.alloc(600_000));
    small?.write(Buffer.alloc(300_000));
    // The streams were opened when nothing waited.
    relay.link.bufferedBytes = 1_000_000;
    for (const stream of streams) stream.end();
    await relay.client.settle();
    expect(recorders.map(({ events }) => events)).toEqual([["reset overloaded"], [], []]);
    expect(relay.client.received).toHaveLength(2);
    expect(relay.session.streamCount).toBe(2);
  });

  it("pauses the link while readers hold too much, and until half of it is consumed", async () => {
    const relay = relayAndRawClient();
    const slow = await ask(relay);
    const other = await ask(relay);
    await relay.client.say(
      { kind: "response_head", id: slow.id, status: 200, headers: {} },
      { kind: "response_chunk", id: slow.id, data: base64(Buffer.alloc(17_000_000)), last: false },
    );
    await relay.client.say({ id: other.id, status: 200, headers: {}, body: null });
    expect(slow.recorder.events).toEqual(["head 200", "data of 17000000"]);
    expect(other.recorder.events).toEqual([]);
    slow.stream.consumed(8_500_000);
    await relay.client.settle();
    expect(other.recorder.events).toEqual([]);
    slow.stream.consumed(1_000_000);
    await relay.client.settle();
    expect(other.recorder.events).toEqual(["head 200", "end"]);
  });

  it("cuts the stream that holds the most when the link has been paused for 10 s, then the next", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const relay = relayAndRawClient();
    const [small, large, other] = [await ask(relay), await ask(relay), await ask(relay)];
    const head = (id: string) => ({ kind: "response_head", id, status: 200, headers: {} });
    const chunk = (id: string, size: number) => {
      return { kind: "response_chunk", id, data: base64(Buffer.alloc(size)), last: false };
    };
    await relay.client.say(head(small.id), chunk(small.id, 8_500_000));
    await relay.client.say(head(large.id), chunk(large.id, 8_600_000), head(other.id));
    expect(other.recorder.events).toEqual([]);
    vi.advanceTimersByTime(9_999);
    expect(large.recorder.events).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(large.recorder.events.at(-1)).toBe("reset overloaded");
    expect(small.recorder.events).toHaveLength(2);
    await relay.client.settle();
    // Over half of the bound is still held, so the link stays paused.
    expect(other.recorder.events).toEqual([]);
    vi.advanceTimersByTime(10_000);
    await relay.client.settle();
    expect(small.recorder.events.at(-1)).toBe("reset overloaded");
    expect(other.recorder.events).toEqual(["head 200"]);
    expect(relay.client.received.filter(({ kind }) => kind === "cancel")).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  const whole = (id: string, size: number) => {
    return { id, status: 200, headers: {}, body: base64(Buffer.alloc(size)) };
  };

  it("does not pause the link for complete responses, but bounds their bytes that wait", async () => {
    const relay = relayAndRawClient({ maxQueuedBytes: 10_000_000 });
    const [small, large, last] = [await ask(relay), await ask(relay), await ask(relay)];
    await relay.client.say(whole(small.id, 4_000_000), whole(large.id, 5_000_000));
    expect(large.recorder.events).toEqual(["head 200", "data of 5000000", "end"]);
    expect(relay.session.streamCount).toBe(1);
    await relay.client.say(whole(last.id, 3_000_000));
    expect(small.recorder.events.at(-1)).toBe("end");
    expect(large.recorder.events.at(-1)).toBe("reset overloaded");
    expect(last.recorder.events.at(-1)).toBe("end");
    // The client has finished its answer, so there is nothing to cancel.
    expect(relay.client.received.filter(({ kind }) => kind === "cancel")).toEqual([]);
  });

  it("cuts a response by itself that is over that bound", async () => {
    const relay = relayAndRawClient({ maxQueuedBytes: 1_048_576 });
    const { id, recorder } = await ask(relay);
    await relay.client.say(whole(id, 1_200_000));
    expect(recorder.events).toEqual(["head 200", "reset overloaded"]);
    expect(relay.owner.faults).toEqual([]);
  });

  it("frees what a finished stream holds when its reader leaves, or takes it", async () => {
    const relay = relayAndRawClient({ maxQueuedBytes: 10_000_000 });
    for (let i = 0; i < 4; i++) {
      const { id, stream, recorder } = await ask(relay);
      await relay.client.say(whole(id, 6_000_000));
      expect(recorder.events).toEqual(["head 200", "data of 6000000", "end"]);
      if (i % 2 === 0) stream.reset("cancelled");
      else stream.consumed(6_000_000);
    }
  });

  it("frees what it holds of a response that the client gives up", async () => {
    const relay = relayAndRawClient({ maxQueuedBytes: 10_000_000 });
    const { id, recorder } = await ask(relay);
    const other = await ask(relay);
    await relay.client.say(
      { kind: "response_head", id, status: 200, headers: {} },
      { kind: "response_chunk", id, data: base64(Buffer.alloc(3_000_000)), last: false },
    );
    expect(other.recorder.events).toEqual([]);
    // Nothing more arrives while the link is paused, so the reader has to take some first.
    relay.link.resume();
    await relay.client.say({ kind: "response_error", id, message: "m".repeat(5_000) });
    expect(recorder.events.at(-1)).toBe("reset upstream_failed");
    expect(recorder.resetReason?.message.length).toBeLessThan(1_100);
    await relay.client.say(whole(other.id, 1));
    expect(other.recorder.events.at(-1)).toBe("end");
  });

  it.each([
    [1000, "session_closed"],
    [1001, "session_closed"],
    [1006, "session_lost"],
    [1009, "session_lost"],
    [4001, "refused"],
    [4002, "evicted"],
  ])("reports close code %i as %s, once, and resets its streams", async (code, expected) => {
    const relay = relayAndRawClient();
    const { recorder } = await ask(relay);
    const collecting = new Recorder();
    relay.session.open(get(), false, collecting);
    relay.client.link.close(code, "why");
    await relay.client.settle();
    expect(recorder.events).toEqual(["reset session_lost"]);
    expect(collecting.events).toEqual(["reset session_lost"]);
    expect(relay.owner.closes).toEqual([{ error: expect.any(TunnelError), code, reason: "why" }]);
    expect(relay.owner.closes[0]?.error.code).toBe(expected);
    expect(() => relay.session.open(get(), true, new Recorder())).toThrow(
      expect.objectContaining({ code: "session_closed" }),
    );
  });

  it("closes on demand", async () => {
    const relay = relayAndRawClient();
    const { recorder } = await ask(relay);
    relay.session.close(4002, "evicted");
    relay.session.close(1000, "again");
    expect(recorder.events).toEqual(["reset session_lost"]);
    await relay.client.settle();
    expect(relay.client.closed).toEqual({ code: 4002, reason: "evicted" });
    expect(relay.owner.closes).toMatchObject([{ code: 4002, reason: "evicted" }]);
  });

  it("is idle when no stream is open", async () => {
    const relay = relayAndRawClient();
    await relay.session.idle();
    const { id } = await ask(relay);
    let idle = false;
    const waiting = relay.session.idle().then(() => {
      idle = true;
    });
    await relay.client.settle();
    expect(idle).toBe(false);
    await relay.client.say({ id, status: 200, headers: {}, body: null });
    await waiting;
  });

  it("survives a handler that throws: its stream is reset and reported, others go on", async () => {
    const relay = relayAndRawClient();
    const bad = await ask(relay);
    const good = await ask(relay);
    bad.recorder.onHead = () => {
      throw new Error("in the handler");
    };
    await relay.client.say({ kind: "response_head", id: bad.id, status: 200, headers: {} });
    expect(relay.owner.faults).toEqual([new Error("in the handler")]);
    expect(bad.recorder.events).toEqual(["reset internal"]);
    await relay.client.say({ kind: "response_head", id: good.id, status: 200, headers: {} });
    expect(good.recorder.events).toEqual(["head 200"]);
    expect(relay.client.received.at(-1)).toEqual({ kind: "cancel", id: bad.id });
  });
});
