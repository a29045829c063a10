import { afterEach, describe, expect, it, vi } from "vitest";
import type { AcceptedStream, RawHeaders } from "mcp-tunnel-protocol";
import { type Accepted, clientAndRawRelay } from "./json-peer.js";

afterEach(() => {
  vi.useRealTimers();
});

const base64 = (data: string | Buffer): string => Buffer.from(data).toString("base64");
const id = "5f0c6f0e-1a55-4d6f-9d8e-2f4f4a1b0c11";
/** A request of a 0.1 relay, exactly as it stands in its messages. */
const request01 = { id, method: "GET", path: "/a?b", headers: { accept: "*/*" }, body: null };
const request02 = { kind: "request", ...request01 };

/** How long a response to a 0.2 relay is held back, in case it is complete by then. */
const gatherMs = 100;

const fakeTimers = (): void => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
};

type Client = ReturnType<typeof clientAndRawRelay>;

/** Lets the relay send a request and returns the request as the client accepted it. */
async function accept(client: Client, request: object): Promise<Accepted> {
  const before = client.accepted.length;
  await client.relay.say(request);
  const accepted = client.accepted.at(before);
  if (accepted === undefined) throw new Error("the client did not take the request");
  return accepted;
}

const answer = (stream: AcceptedStream, headers: RawHeaders, body?: string): void => {
  stream.sendHead({ status: 200, headers }, body === undefined);
  if (body !== undefined) {
    stream.write(Buffer.from(body));
    stream.end();
  }
};

describe("requests to JsonClientSession", () => {
  it.each([request01, request02])("hands over a request without a body: %j", async (request) => {
    const client = clientAndRawRelay();
    expect(client.session.wire).toBe("json");
    const { head, end, recorder } = await accept(client, request);
    expect(head).toEqual({ method: "GET", path: "/a?b", headers: ["accept", "*/*"] });
    expect(end).toBe(true);
    expect(recorder.events).toEqual(["end"]);
    expect(client.session.wire).toBe("kind" in request ? "json-0.2" : "json-0.1");
    expect(client.session.streamCount).toBe(1);
  });

  it("hands over a body with its length, and drops what does not travel", async () => {
    const client = clientAndRawRelay();
    const headers = {
      "Content-Length": "77",
      Connection: "x-a",
      "x-a": "1",
      "transfer-encoding": "chunked",
      b: "2",
    };
    const { head, end, recorder } = await accept(client, {
      ...request02,
      method: "POST",
      headers,
      body: "aGk=",
    });
    expect(head.headers).toEqual(["b", "2", "Content-Length", "2"]);
    expect(end).toBe(false);
    expect(recorder.events).toEqual(["data hi", "end"]);
  });

  it("turns text into the bytes of its UTF-8", async () => {
    const client = clientAndRawRelay();
    const { head } = await accept(client, { ...request02, path: "/ä", headers: { "x-a": "ä" } });
    const bytes = Buffer.from("ä").toString("latin1");
    expect(head).toMatchObject({ path: `/${bytes}`, headers: ["x-a", bytes] });
  });

  it("skips what is no request, and a second one with the same id", async () => {
    const client = clientAndRawRelay();
    await client.relay.say(
      "",
      "{",
      "null",
      "[]",
      "7",
      Buffer.from(JSON.stringify(request02)),
      { id: 1 },
      { id },
    );
    await client.relay.say(
      { kind: "hello", id },
      { kind: "cancel", id },
      { kind: 5, id },
      { kind: null, id },
    );
    expect(client.accepted).toEqual([]);
    await client.relay.say(request02, request02);
    expect(client.accepted).toHaveLength(1);
    expect(client.relay.received).toEqual([]);
  });

  it.each([
    ["no method", { method: undefined }],
    ["a number as method", { method: 1 }],
    ["an empty method", { method: "" }],
    ["no path", { path: undefined }],
    ["an empty path", { path: "" }],
    ["no headers", { headers: null }],
    ["a number as a header", { headers: { a: 1 } }],
    ["a body that is not base64", { body: "?" }],
    ["a body that is a number", { body: 1 }],
  ])("answers a request with %s by an error", async (_, change) => {
    const client = clientAndRawRelay();
    await client.relay.say({ ...request02, ...change });
    expect(client.relay.received).toEqual([{ kind: "response_error", id, message: expect.any(String) }]);
    await client.relay.say({ ...request01, method: "GET", ...change });
    expect(client.relay.received.slice(1)).toEqual(
      // A message without a method and without a kind is no request at all.
      "method" in change && change.method === undefined
        ? []
        : [{ id, status: 502, headers: {}, body: base64("upstream error") }],
    );
    expect(client.accepted).toEqual([]);
    expect(client.session.streamCount).toBe(0);
  });

  it("takes no more than 1024 at one time", async () => {
    const client = clientAndRawRelay();
    await client.relay.say(...Array.from({ length: 1025 }, (_, i) => ({ ...request02, id: `${i}` })));
    expect(client.accepted).toHaveLength(1024);
    expect(client.relay.received).toEqual([
      { kind: "response_error", id: "1024", message: "the client has too much to do" },
    ]);
  });
});

describe("responses of JsonClientSession", () => {
  it("answers 0.1 by one message, when the body is whole", async () => {
    const client = clientAndRawRelay();
    const { stream } = await accept(client, request01);
    stream.sendInterim({ status: 103, headers: ["Link", "dropped"] });
    stream.sendHead({ status: 201, headers: ["X-A", "1", "Content-Length", "4", "Connection", "close"] });
    stream.write(Buffer.from([0xfb]));
    await client.relay.settle();
    expect(client.relay.received).toEqual([]);
    stream.write(Buffer.from("abc"));
    stream.end(["X-Trailer", "dropped"]);
    await client.relay.settle();
    expect(client.relay.received).toEqual([{ id, status: 201, headers: { "X-A": "1" }, body: "+2FiYw==" }]);
    expect(client.session.streamCount).toBe(0);
  });

  it("answers 0.2 piece by piece: head, chunks of at most 64 KiB, a last one", async () => {
    fakeTimers();
    const client = clientAndRawRelay();
    const { stream } = await accept(client, request02);
    stream.sendHead({ status: 200, headers: ["Content-Type", "text/plain", "Content-Length", "65537"] });
    vi.advanceTimersByTime(gatherMs - 1);
    await client.relay.settle();
    expect(client.relay.received).toEqual([]);
    vi.advanceTimersByTime(1);
    await client.relay.settle();
    expect(client.relay.received).toEqual([
      { kind: "response_head", id, status: 200, headers: { "Content-Type": "text/plain" } },
    ]);
    const body = Buffer.alloc(65_537, "xyz");
    expect(stream.write(body)).toBe(true);
    await client.relay.settle();
    expect(client.relay.received.slice(1)).toEqual([
      { kind: "response_chunk", id, data: base64(body.subarray(0, 65_536)), last: false },
      { kind: "response_chunk", id, data: base64(body.subarray(65_536)), last: false },
    ]);
    stream.end();
    stream.end();
    stream.write(Buffer.from("after the end"));
    await client.relay.settle();
    expect(client.relay.received.slice(3)).toEqual([{ kind: "response_chunk", id, data: "", last: true }]);
    expect(client.session.streamCount).toBe(0);
  });

  it("answers 0.2 in one write when the response is complete soon, which an original relay needs to end it", async () => {
    fakeTimers();
    const client = clientAndRawRelay();
    const writes: number[] = [];
    let isCorked = false;
    vi.spyOn(client.link, "cork").mockImplementation(() => {
      isCorked = true;
      writes.push(0);
    });
    vi.spyOn(client.link, "uncork").mockImplementation(() => {
      isCorked = false;
    });
    const send = client.link.send.bind(client.link);
    vi.spyOn(client.link, "send").mockImplementation((message) => {
      if (isCorked) writes[writes.length - 1] = (writes.at(-1) ?? 0) + 1;
      send(message);
    });
    answer((await accept(client, request02)).stream, [], "at once");
    answer((await accept(client, request02)).stream, []);
    expect(writes).toEqual([3, 2]);

    // Head and body come in several reads of the local connection.
    const { stream } = await accept(client, request02);
    stream.sendHead({ status: 200, headers: [] });
    await client.relay.settle();
    stream.write(Buffer.from("soon"));
    vi.advanceTimersByTime(gatherMs - 1);
    await client.relay.settle();
    stream.end();
    expect(writes).toEqual([3, 2, 3]);
    await client.relay.settle();
    expect(client.relay.received.map(({ kind, data }) => [kind, data])).toEqual([
      ["response_head", undefined],
      ["response_chunk", base64("at once")],
      ["response_chunk", ""],
      ["response_head", undefined],
      ["response_chunk", ""],
      ["response_head", undefined],
      ["response_chunk", base64("soon")],
      ["response_chunk", ""],
    ]);
    // Nothing is left to be sent later.
    vi.advanceTimersByTime(gatherMs);
    expect(writes).toHaveLength(3);
  });

  it("holds back at most 1 MiB of a response to 0.2, and of all together what a client may hold", async () => {
    fakeTimers();
    const client = clientAndRawRelay();
    const { stream } = await accept(client, request02);
    stream.sendHead({ status: 200, headers: [] });
    for (let i = 0; i < 11; i++) stream.write(Buffer.alloc(65_536));
    await client.relay.settle();
    expect(client.relay.received).toEqual([]);
    stream.write(Buffer.alloc(65_536));
    await client.relay.settle();
    expect(client.relay.received).toHaveLength(13);
    stream.write(Buffer.from("as it comes"));
    await client.relay.settle();
    expect(client.relay.received).toHaveLength(14);

    const small = clientAndRawRelay({ maxQueuedBytes: 100_000 });
    const first = (await accept(small, { ...request02, id: "1" })).stream;
    const second = (await accept(small, { ...request02, id: "2" })).stream;
    const third = (await accept(small, { ...request02, id: "3" })).stream;
    for (const one of [first, second, third]) {
      one.sendHead({ status: 200, headers: [] });
      one.write(Buffer.alloc(12_000));
    }
    await small.relay.settle();
    // Small responses are still held back.
    expect(small.relay.received).toEqual([]);
    second.write(Buffer.alloc(12_000));
    await small.relay.settle();
    // The response leaves and is not refused.
    expect(small.relay.received.map(({ kind, id: of }) => [kind, of])).toEqual([
      ["response_head", "2"],
      ["response_chunk", "2"],
      ["response_chunk", "2"],
    ]);
    for (const one of [first, second, third]) one.end();
    await small.relay.settle();
    expect(small.relay.received).toHaveLength(10);
    // The bytes that they held are free again.
    const fourth = (await accept(small, { ...request02, id: "4" })).stream;
    fourth.sendHead({ status: 200, headers: [] });
    fourth.write(Buffer.alloc(15_000));
    await small.relay.settle();
    expect(small.relay.received).toHaveLength(10);
  });

  it("does not break the link when many responses to 0.2 that were held back leave at once", async () => {
    fakeTimers();
    const client = clientAndRawRelay({ maxQueuedBytes: 8_000_000 });
    const send = client.link.send.bind(client.link);
    // The line is slow: nothing leaves.
    vi.spyOn(client.link, "send").mockImplementation((message) => {
      client.link.bufferedBytes += message.length;
      send(message);
    });
    const downloads: { accepted: Accepted; mayWrite: boolean }[] = [];
    for (let i = 0; i < 40; i++) {
      const accepted = await accept(client, { ...request02, id: String(i) });
      accepted.stream.sendHead({ status: 200, headers: [] });
      downloads.push({ accepted, mayWrite: true });
    }
    for (let round = 0; round < 10; round++) {
      for (const download of downloads) {
        if (download.mayWrite) download.mayWrite = download.accepted.stream.write(Buffer.alloc(65_536));
      }
    }
    vi.advanceTimersByTime(gatherMs);
    await client.relay.settle();
    expect(downloads.map(({ mayWrite }) => mayWrite)).not.toContain(true);
    for (const { accepted } of downloads) expect(accepted.recorder.events).toEqual(["end"]);
    expect(client.session.streamCount).toBe(40);
  });

  it("ends a response without a body at its head", async () => {
    const client = clientAndRawRelay();
    answer((await accept(client, request02)).stream, []);
    answer((await accept(client, request01)).stream, []);
    await client.relay.settle();
    expect(client.relay.received).toEqual([
      { kind: "response_head", id, status: 200, headers: {} },
      { kind: "response_chunk", id, data: "", last: true },
      { id, status: 200, headers: {}, body: null },
    ]);
  });

  it.each(["at once", "with the body"])(
    "ends the request that was answered %s all the same",
    async (when) => {
      const client = clientAndRawRelay({}, (stream, recorder) => {
        if (when === "at once") answer(stream, [], "x");
        recorder.onData = (chunk) => {
          recorder.events.push(`data ${chunk.length}`);
          if (when === "with the body") answer(stream, [], "x");
        };
      });
      const { recorder, stream } = await accept(client, { ...request02, body: base64("abc") });
      expect(recorder.events).toEqual(["data 3", "end"]);
      stream.consumed(3);
      // What nobody reads of it brakes nothing.
      await client.relay.say({ ...request02, id: "2", body: base64(Buffer.alloc(17_000_000)) });
      expect(await accept(client, { ...request02, id: "3" })).toBeDefined();
    },
  );

  it("tells no more of a request whose answer ends with a reset", async () => {
    const client = clientAndRawRelay({}, (stream) => {
      answer(stream, [], "x");
      stream.reset("no_error");
    });
    const { recorder } = await accept(client, { ...request02, body: base64("abc") });
    expect(recorder.events).toEqual([]);
  });

  it.each([42, 101, 103, 200.5, 1_000, Number.NaN])("does not send a head of status %d", async (status) => {
    for (const isAtOnce of [true, false]) {
      const say = (stream: AcceptedStream): void => stream.sendHead({ status, headers: [] }, true);
      const client = clientAndRawRelay({}, isAtOnce ? say : undefined);
      const { stream, recorder } = await accept(client, request02);
      if (!isAtOnce) say(stream);
      expect(recorder.events).toEqual([...(isAtOnce ? [] : ["end"]), "reset bad_message"]);
      await client.relay.settle();
      expect(client.relay.received).toMatchObject([{ kind: "response_error" }]);
    }
  });

  it("keeps repeated fields: Set-Cookie by spellings that a map of strings holds apart", async () => {
    const client = clientAndRawRelay();
    const cookies = Array.from(
      { length: 512 },
      (_, i) => `c${i}=${i}; Expires=Thu, 01 Jan 2099 00:00:00 GMT`,
    );
    const headers = ["Vary", "a", "VARY", "b", ...cookies.flatMap((cookie) => ["Set-Cookie", cookie])];
    for (const request of [request01, request02])
      answer((await accept(client, request)).stream, headers, "x");
    await client.relay.settle();
    for (const message of client.relay.received.filter((one) => "headers" in one)) {
      const sent = Object.entries(message["headers"] as Record<string, string>);
      expect(sent.slice(0, 3)).toEqual([
        ["Vary", "a, b"],
        ["set-cookie", cookies[0]],
        ["Set-cookie", cookies[1]],
      ]);
      expect(sent.slice(1).map(([, value]) => value)).toEqual(cookies);
      expect(sent.slice(1).every(([name]) => name.toLowerCase() === "set-cookie")).toBe(true);
    }
    expect(client.relay.received).toHaveLength(4);
  });

  it("fails rather than drop a cookie when there are too many", async () => {
    const client = clientAndRawRelay();
    const headers = Array.from({ length: 513 }, (_, i) => ["Set-Cookie", `c${i}=1`]).flat();
    for (const request of [request02, request01]) {
      const { stream, recorder } = await accept(client, request);
      answer(stream, headers, "x");
      expect(recorder.events).toEqual(["end", "reset bad_message"]);
    }
    await client.relay.settle();
    expect(client.relay.received).toEqual([
      { kind: "response_error", id, message: "the request or its answer cannot be passed on" },
      { id, status: 502, headers: {}, body: base64("upstream error") },
    ]);
  });

  it("says that a response failed, before its head and after, and nothing of this machine", async () => {
    const client = clientAndRawRelay();
    const detail = "cannot reach http://localhost:3000: connection refused at 127.0.0.1:3000";
    (await accept(client, request02)).stream.reset("upstream_unreachable", detail);
    const { stream } = await accept(client, request02);
    stream.sendHead({ status: 200, headers: [] });
    stream.reset("upstream_failed", "http://localhost:3000 broke off the exchange: read ECONNRESET");
    const old = (await accept(client, request01)).stream;
    old.sendHead({ status: 200, headers: [] });
    old.write(Buffer.from("half"));
    old.reset("upstream_failed", "socket hang up");
    await client.relay.settle();
    expect(client.relay.received).toEqual([
      { kind: "response_error", id, message: "the local service cannot be reached" },
      { kind: "response_head", id, status: 200, headers: {} },
      { kind: "response_error", id, message: "the local service broke off its answer" },
      { id, status: 502, headers: {}, body: base64("upstream error") },
    ]);
    expect(client.session.streamCount).toBe(0);
  });

  it("answers 502 to a 0.1 relay when the body is over 10 MiB, and stops the local request", async () => {
    const client = clientAndRawRelay();
    const { stream, recorder } = await accept(client, request01);
    stream.sendHead({ status: 200, headers: [] });
    stream.write(Buffer.alloc(10 * 1024 * 1024));
    expect(recorder.events).toEqual(["end"]);
    stream.write(Buffer.alloc(1));
    expect(recorder.events).toEqual(["end", "reset body_too_large"]);
    stream.end();
    await client.relay.settle();
    expect(client.relay.received).toEqual([
      { id, status: 502, headers: {}, body: base64("tunnel response body too large") },
    ]);
  });

  it("gives a 0.1 response 30 s in all, and a 0.2 response 30 s until its head and then as long as it likes", async () => {
    fakeTimers();
    const client = clientAndRawRelay();
    const old = await accept(client, request01);
    old.stream.sendHead({ status: 200, headers: [] });
    const silent = await accept(client, { ...request02, id: "silent" });
    const streaming = await accept(client, { ...request02, id: "streaming" });
    vi.advanceTimersByTime(29_999);
    expect(old.recorder.events).toEqual(["end"]);
    // An interim head is no head.
    silent.stream.sendInterim({ status: 102, headers: [] });
    streaming.stream.sendHead({ status: 200, headers: [] });
    vi.advanceTimersByTime(1);
    // The local requests are stopped.
    expect(old.recorder.events).toEqual(["end", "reset upstream_timeout"]);
    expect(silent.recorder.events).toEqual(["end", "reset upstream_timeout"]);
    expect(client.session.streamCount).toBe(1);
    vi.advanceTimersByTime(3_600_000);
    expect(streaming.recorder.events).toEqual(["end"]);
    await client.relay.settle();
    expect(client.relay.received).toEqual([
      { id, status: 502, headers: {}, body: base64("upstream error") },
      {
        kind: "response_error",
        id: "silent",
        message: "the local service has not answered in time",
      },
      { kind: "response_head", id: "streaming", status: 200, headers: {} },
    ]);
  });

  it.each([
    ["0.2", request02],
    ["0.1, which takes each response whole", request01],
  ])("asks the sender to wait while the link has much to send: %s", async (_version, request) => {
    fakeTimers();
    const client = clientAndRawRelay();
    const { stream, recorder } = await accept(client, request);
    stream.sendHead({ status: 200, headers: [] });
    vi.advanceTimersByTime(gatherMs);
    client.link.bufferedBytes = 1024 * 1024 + 1;
    expect(stream.write(Buffer.from("x"))).toBe(false);
    client.link.bufferedBytes = 0;
    client.link.handler?.onDrain?.();
    client.link.handler?.onDrain?.();
    expect(recorder.events).toEqual(["end", "drain"]);
    expect(stream.write(Buffer.from("y"))).toBe(true);
  });
});

describe("the end of an exchange of JsonClientSession", () => {
  it("stops at a cancel, and says nothing more", async () => {
    fakeTimers();
    const client = clientAndRawRelay();
    const { stream, recorder } = await accept(client, request02);
    stream.sendHead({ status: 200, headers: [] });
    await client.relay.say({ kind: "cancel", id });
    expect(recorder.events).toEqual(["end", "reset cancelled"]);
    stream.write(Buffer.from("x"));
    stream.end();
    stream.reset("internal");
    vi.advanceTimersByTime(gatherMs);
    await client.relay.settle();
    expect(client.relay.received).toEqual([]);
    expect(client.session.streamCount).toBe(0);
  });

  it("pauses the link while request bodies pile up, until they are consumed or answered", async () => {
    const client = clientAndRawRelay();
    const first = await accept(client, { ...request02, id: "1", body: base64(Buffer.alloc(17_000_000)) });
    await client.relay.say({ ...request02, id: "2" });
    expect(client.accepted).toHaveLength(1);
    first.stream.consumed(9_000_000);
    await client.relay.settle();
    expect(client.accepted).toHaveLength(2);
    const third = await accept(client, { ...request02, id: "3", body: base64(Buffer.alloc(17_000_000)) });
    answer(third.stream, []);
    answer(first.stream, []);
    expect(await accept(client, { ...request02, id: "4" })).toBeDefined();
  });

  it("bounds what it collects for a 0.1 relay, over all requests", async () => {
    const client = clientAndRawRelay({ maxQueuedBytes: 1_000_000 });
    const [first, second] = [
      await accept(client, { ...request01, id: "1" }),
      await accept(client, { ...request01, id: "2" }),
    ];
    for (const { stream } of [first, second]) stream.sendHead({ status: 200, headers: [] });
    first.stream.write(Buffer.alloc(600_000));
    second.stream.write(Buffer.alloc(600_000));
    expect(second.recorder.events).toEqual(["end", "reset overloaded"]);
    first.stream.end();
    await client.relay.settle();
    expect(client.relay.received.map(({ id: of, status }) => [of, status])).toEqual([
      ["2", 502],
      ["1", 200],
    ]);
    // The bytes that they held are free again.
    const third = await accept(client, { ...request01, id: "3" });
    third.stream.sendHead({ status: 200, headers: [] });
    third.stream.write(Buffer.alloc(900_000));
    expect(third.recorder.events).toEqual(["end"]);
  });

  it("bounds the heads of requests that are open", async () => {
    const client = clientAndRawRelay({ maxQueuedBytes: 1_000_000 });
    const headers = { "x-large": "x".repeat(240_000) };
    for (let i = 1; i <= 6; i++) await client.relay.say({ ...request02, id: String(i), headers });
    expect(client.accepted).toHaveLength(4);
    expect(client.relay.received.map(({ kind, id: of }) => [kind, of])).toEqual([
      ["response_error", "5"],
      ["response_error", "6"],
    ]);
    for (const { stream } of client.accepted) answer(stream, []);
    expect(await accept(client, { ...request02, id: "7", headers })).toBeDefined();
  });

  it("ends the session of a relay that does not take its answers", async () => {
    const client = clientAndRawRelay({ maxQueuedBytes: 1_000_000 });
    const { recorder } = await accept(client, request02);
    client.link.bufferedBytes = 2_000_001;
    await client.relay.say({ kind: "request", id: "malformed" });
    expect(client.owner.closes).toMatchObject([{ error: { code: "overloaded" } }]);
    expect(recorder.events).toEqual(["end", "reset session_lost"]);
    expect(client.relay.closed?.code).toBe(1006);
  });

  it("skips requests whose id would be in every message about them, if it is long", async () => {
    const client = clientAndRawRelay();
    await client.relay.say({ ...request02, id: "x".repeat(257) });
    expect(client.accepted).toEqual([]);
    expect(await accept(client, { ...request02, id: "x".repeat(256) })).toBeDefined();
  });

  it.each([
    [4001, "refused"],
    [4002, "evicted"],
    [1000, "session_closed"],
    [1006, "session_lost"],
  ])("reports close code %i as %s", async (code, expected) => {
    const client = clientAndRawRelay();
    const { recorder } = await accept(client, request01);
    client.relay.link.close(code, "why");
    await client.relay.settle();
    expect(recorder.events).toEqual(["end", "reset session_lost"]);
    expect(client.owner.closes).toMatchObject([{ error: { code: expected }, code, reason: "why" }]);
  });

  it("closes on demand and is idle when nothing is open", async () => {
    const client = clientAndRawRelay();
    const { recorder } = await accept(client, request01);
    const idle = client.session.idle();
    client.session.close(1000, "bye");
    await idle;
    await client.relay.settle();
    expect(recorder.events).toEqual(["end", "reset session_lost"]);
    expect(client.relay.closed).toEqual({ code: 1000, reason: "bye" });
    expect(client.owner.closes).toHaveLength(1);
  });
});
