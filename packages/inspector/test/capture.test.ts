import { constants, deflateRawSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Entry } from "../src/capture/entry.js";
import type { Captured } from "../src/captured.js";
import { maxBodyBytes, maxEventBytes, maxInterimHeads } from "../src/limits.js";
import {
  eventStream,
  jsonAnswer,
  lend,
  Recording,
  report,
  requestHead,
  responseHead,
  someTunnel,
  textFrame,
  webSocket,
} from "./support/exchange.js";

afterEach(() => {
  vi.useRealTimers();
});

const dataOf = (entry: Captured): string[] => (entry.events?.kept ?? []).map(({ data }) => data);

describe("an exchange", () => {
  it("is kept with its heads, bodies and trailers, and listeners are told in order", () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: 1_000_000 });
    const recording = new Recording();
    const head = requestHead({ method: "POST", path: "/a?b=c" });
    const { entry, observer } = recording.begin(head);
    expect(entry).toMatchObject({ id: 1, startedAt: 1_000_000, replayOf: undefined, over: undefined });
    vi.advanceTimersByTime(5);
    lend((chunk) => observer.onRequestData(chunk), "ab");
    lend((chunk) => observer.onRequestData(chunk), "c");
    observer.onRequestEnd(["X-A", "1"]);
    vi.advanceTimersByTime(5);
    const hints = responseHead(103, "Link", "</a>");
    observer.onInterim(hints);
    vi.advanceTimersByTime(5);
    observer.onHead(jsonAnswer, false);
    vi.advanceTimersByTime(5);
    lend((chunk) => observer.onData(chunk), "{}");
    observer.onEnd(["X-B", "2"]);
    const over = report({ method: "POST", path: "/a?b=c", requestBytes: 3, responseBytes: 2 });
    observer.onOver(over);

    expect(entry.head).toEqual(head);
    expect(entry.requestBody.bufferOf().toString()).toBe("abc");
    expect(entry.requestBody.includes("bc")).toBe(true);
    expect(entry.requestBody.includes("bd")).toBe(false);
    expect(entry.requestBody).toMatchObject({ bytes: 3, kept: 3, missed: false });
    expect(entry.responseBody.bufferOf().toString()).toBe("{}");
    expect(entry).toMatchObject({
      requestTrailers: ["X-A", "1"],
      requestEndMs: 5,
      interim: [{ atMs: 10, head: hints }],
      headMs: 15,
      firstByteMs: 20,
      responseTrailers: ["X-B", "2"],
      serviceHead: undefined,
      reachedService: false,
      events: undefined,
      socket: undefined,
      refusal: undefined,
    });
    expect(entry.response).toEqual(jsonAnswer);
    expect(entry.over).toEqual(over);
    expect(recording.told).toEqual(["begun 1", "requested 1", "answered 1", "over 1"]);
  });

  it("that is a replay takes no less time than its parts", () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: 1_000_000 });
    const { recorder } = new Recording();
    const { entry, observer } = recorder.begin(requestHead(), 1);
    vi.advanceTimersByTime(5);
    observer.onHead?.(responseHead(204), true);
    observer.onOver?.(report({ durationMs: 4 }));
    expect(entry).toMatchObject({ headMs: 5, over: { durationMs: 5 } });
  });

  it("without bodies has empty ones", () => {
    const { entry, observer } = new Recording().begin();
    observer.onHead(responseHead(204), true);
    observer.onOver(report({ status: 204 }));
    for (const body of [entry.requestBody, entry.responseBody]) {
      expect(body).toMatchObject({ bytes: 0, kept: 0, missed: false });
      expect(body.bufferOf()).toEqual(Buffer.alloc(0));
    }
  });

  it("keeps the first bytes of its bodies, whatever the sizes of chunks, and counts the rest", () => {
    for (const size of [
      1,
      7,
      300,
      4_096,
      4_097,
      65_536,
      maxBodyBytes - 1,
      maxBodyBytes,
      maxBodyBytes + 1,
      1e6,
    ]) {
      const { entry, observer } = new Recording().begin();
      const chunk = Buffer.from(Array.from({ length: size }, (_, i) => i * 7));
      const times = Math.ceil((maxBodyBytes + 5_000) / size);
      for (let i = 0; i < times; i++) lend((lent) => observer.onRequestData(lent), chunk);
      const all = Buffer.concat(Array.from({ length: times }, () => chunk));
      expect(entry.requestBody).toMatchObject({ bytes: all.length, kept: maxBodyBytes, missed: false });
      expect(entry.requestBody.bufferOf().equals(all.subarray(0, maxBodyBytes))).toBe(true);
      expect(entry.requestBody.includes(all.toString("latin1", 3, 9))).toBe(true);
    }
  });

  it("takes memory in proportion to a body that comes byte by byte", () => {
    const { recorder, observer } = ((recording) => ({ ...recording.begin(), recorder: recording.recorder }))(
      new Recording(),
    );
    for (let i = 0; i < 100_000; i++) lend((chunk) => observer.onRequestData(chunk), "x");
    expect(recorder.ring.bytes).toBeGreaterThan(100_000);
    expect(recorder.ring.bytes).toBeLessThan(130_000);
  });

  it("keeps no more interim heads than some", () => {
    const { entry, observer } = new Recording().begin();
    for (let i = 0; i < 1_000; i++) observer.onInterim(responseHead(103, "Link", `<${i}>`));
    expect(entry.interim).toHaveLength(maxInterimHeads);
  });

  it("is kept whatever a service of the user's own sends for a head, trailers and a message", () => {
    for (const wrong of [undefined, null, {}, "text", [1, 2], [undefined]] as never[]) {
      const { entry, observer } = new Recording().begin();
      observer.onInterim({ status: 103, headers: wrong });
      observer.onHead({ status: 200, headers: wrong }, false);
      observer.onEnd(wrong);
      observer.onOver(report({ error: { code: "internal", message: wrong } }));
      expect(entry).toMatchObject({ response: { status: 200, headers: [] }, responseTrailers: [] });
      expect(entry.interim[0]?.head.headers).toEqual([]);
    }
  });
});

describe("an event stream", () => {
  it("is kept as its events, each with its time", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const recording = new Recording();
    const { entry, observer } = recording.begin();
    observer.onHead(eventStream, false);
    lend((chunk) => observer.onData(chunk), "id: 1\nevent: e\ndata: on");
    vi.advanceTimersByTime(30);
    lend((chunk) => observer.onData(chunk), "e\n\n: k\n");
    expect(entry.events).toMatchObject({
      dropped: 0,
      kept: [
        { atMs: 30, event: "e", id: "1", data: "one", isComment: false, bytes: 26, isCut: false },
        { atMs: 30, event: "", id: undefined, data: "k", isComment: true, bytes: 4, isCut: false },
      ],
    });
    expect(entry.responseBody).toMatchObject({ bytes: 30, kept: 0, missed: false });
    expect(recording.told.slice(1)).toEqual(["answered 1", "event 1", "event 1"]);
  });

  it("keeps its newest events", () => {
    const { entry, observer } = new Recording().begin();
    observer.onHead(eventStream, false);
    const text = "x".repeat(1_000);
    for (let i = 0; i < 1_000; i++) lend((chunk) => observer.onData(chunk), `data: ${i} ${text}\n\n`);
    const kept = entry.events!.kept;
    expect(kept.length).toBeGreaterThan(200);
    expect(kept.length).toBeLessThan(maxBodyBytes / 1_000);
    expect(entry.events!.dropped).toBe(1_000 - kept.length);
    expect(kept.at(-1)!.data).toBe(`999 ${text}`);
  });

  it("cuts an event that is too long", () => {
    const { entry, observer } = new Recording().begin();
    observer.onHead(eventStream, false);
    lend((chunk) => observer.onData(chunk), `data: ${"x".repeat(100_000)}\n\ndata: b\n\n`);
    expect(entry.events!.kept).toMatchObject([
      { bytes: 100_008, isCut: true },
      { data: "b", isCut: false },
    ]);
    expect(dataOf(entry)[0]).toHaveLength(maxEventBytes);
  });

  it.each([
    [
      "with a Content-Encoding",
      "GET",
      false,
      responseHead(200, ...eventStream.headers, "Content-Encoding", "gzip"),
    ],
    ["of HEAD", "HEAD", false, eventStream],
    ["that has no body", "GET", true, eventStream],
    ["with status 204", "GET", false, responseHead(204, ...eventStream.headers)],
    ["with status 304", "GET", false, responseHead(304, ...eventStream.headers)],
  ])("%s has no events", (_what, method, end, head) => {
    const { entry, observer } = new Recording().begin({ method });
    observer.onHead(head, end);
    if (!end) lend((chunk) => observer.onData(chunk), "data: a\n\n");
    expect(entry.events).toBeUndefined();
    expect(entry.responseBody.kept).toBe(end ? 0 : 9);
  });

  it("with Content-Encoding identity and parameters of its type has events", () => {
    const { entry, observer } = new Recording().begin();
    const fields = ["content-type", "Text/Event-Stream; charset=utf-8", "content-encoding", "Identity"];
    observer.onHead(responseHead(200, ...fields), false);
    lend((chunk) => observer.onData(chunk), "data: a\n\n");
    expect(dataOf(entry)).toEqual(["a"]);
  });
});

describe("an upgraded connection", () => {
  it("to another protocol is only counted", () => {
    const { entry, observer } = new Recording().begin({ upgrade: true });
    lend((chunk) => observer.onRequestData(chunk), "early");
    observer.onHead(responseHead(101, "Upgrade", "other"), false);
    lend((chunk) => observer.onRequestData(chunk), "abc");
    lend((chunk) => observer.onData(chunk), "de");
    expect(entry.requestBody).toMatchObject({ bytes: 8, kept: 0 });
    expect(entry.responseBody).toMatchObject({ bytes: 2, kept: 0 });
    expect([entry.socket, entry.events]).toEqual([undefined, undefined]);
  });
});

describe("a WebSocket", () => {
  it("is kept as its messages of both sides, those too that came before the answer", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const recording = new Recording();
    const { entry, observer } = recording.begin({ upgrade: true });
    lend((chunk) => observer.onRequestData(chunk), maskedFrame("early"));
    vi.advanceTimersByTime(7);
    observer.onHead(webSocket, false);
    lend((chunk) => observer.onData(chunk), textFrame("hello"));
    lend((chunk) => observer.onRequestData(chunk), maskedFrame("late"));
    expect(entry.socket).toMatchObject({ dropped: 0, unread: undefined });
    expect(entry.socket!.kept.map(({ atMs, from, data }) => [atMs, from, String(data)])).toEqual([
      [7, "visitor", "early"],
      [7, "service", "hello"],
      [7, "visitor", "late"],
    ]);
    expect(entry.requestBody).toMatchObject({ bytes: 21, kept: 0 });
    expect(entry.responseBody).toMatchObject({ bytes: 7, kept: 0 });
    observer.onOver(report({ status: 101 }));
    expect(recording.told).toEqual([
      "begun 1",
      "answered 1",
      "message 1",
      "message 1",
      "message 1",
      "over 1",
    ]);
  });

  it("has the messages that are still being inflated when it ends, and holds nothing for them then", async () => {
    const recording = new Recording();
    const { entry, observer } = recording.begin({ upgrade: true });
    const deflate = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    observer.onHead(
      { ...webSocket, headers: [...webSocket.headers, "Sec-WebSocket-Extensions", deflate] },
      false,
    );
    // RFC 7692 section 7.2.1: the last four bytes of the flush are left out.
    const packed = deflateRawSync("hello", { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    observer.onData(Buffer.from([0xc1, packed.length, ...packed]));
    observer.onData(Buffer.from([0x88, 2, 0x03, 0xe8]));
    observer.onOver(report({ status: 101 }));
    const bytes = recording.recorder.ring.bytes;
    await vi.waitFor(() => expect(recording.recorder.ring.bytes).toBeLessThan(bytes));
    expect(entry.socket!.kept.map(({ kind, data }) => [kind, String(data)])).toEqual([
      ["text", "hello"],
      ["close", "1000"],
    ]);
    expect(entry.socket).toMatchObject({ dropped: 0, unread: undefined });
    expect(recording.told.slice(2)).toEqual(["over 1", "message 1", "message 1"]);
  });

  it("keeps its newest messages", () => {
    const { entry, observer } = new Recording().begin({ upgrade: true });
    observer.onHead(webSocket, false);
    for (let i = 0; i < 100; i++)
      lend((chunk) => observer.onData(chunk), textFrame(`${i} ${"x".repeat(9_000)}`));
    const { kept, dropped } = entry.socket!;
    expect(kept.length).toBeGreaterThan(20);
    expect(dropped).toBe(100 - kept.length);
    expect(String(kept.at(-1)!.data)).toMatch(/^99 x/);
  });

  it("is not read any more when too much comes at once, and says so", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const recording = new Recording();
    const { entry, observer } = recording.begin({ upgrade: true });
    observer.onHead(webSocket, false);
    const frame = textFrame("x".repeat(60_000));
    for (let i = 0; i < 2_000; i++) observer.onData(frame);
    const { unread } = entry.socket!;
    expect(unread).toBe("too much came at once");
    expect(entry.responseBody).toMatchObject({ bytes: 2_000 * frame.length, missed: true });
    expect(recording.recorder.missed).toEqual({ exchanges: 0, bodies: 1 });
    observer.onOver(report());
    expect(entry.socket).toMatchObject({ unread });
  });

  it("is not read if too much came before the answer, and says so", () => {
    const { entry, observer } = new Recording().begin({ upgrade: true });
    lend((chunk) => observer.onRequestData(chunk), Buffer.alloc(maxBodyBytes + 1));
    observer.onHead(webSocket, false);
    lend((chunk) => observer.onData(chunk), textFrame("a"));
    expect(entry.socket).toMatchObject({ kept: [], unread: "the visitor sent too much before the answer" });
    expect(entry.requestBody).toMatchObject({ bytes: maxBodyBytes + 1, kept: 0 });
  });
});

describe("what the service gets", () => {
  it("is kept if it is another head", () => {
    const recording = new Recording();
    const { entry } = recording.begin();
    const head = requestHead({ headers: ["Host", "demo.test", "X-User", "me"] });
    expect(entry.reachedService).toBe(false);
    recording.recorder.passed(recording.tunnel, recording.streamId, head);
    expect(entry.serviceHead).toEqual(head);
    expect(entry.reachedService).toBe(true);
  });

  it("is not kept if it is the same head, or an equal one", () => {
    const recording = new Recording();
    const { entry } = recording.begin();
    for (const head of [entry.head, { ...entry.head }, structuredClone(entry.head)]) {
      recording.recorder.passed(recording.tunnel, recording.streamId, head);
      expect(entry.serviceHead).toBeUndefined();
      expect(entry.reachedService).toBe(true);
    }
  });

  it("is found later, among the exchanges of several tunnels", () => {
    const recording = new Recording();
    const { entry } = recording.begin();
    const stream = recording.streamId;
    for (let i = 0; i < 10; i++) recording.begin();
    const head = requestHead({ path: "/other" });
    recording.recorder.passed(someTunnel(), stream, head);
    expect(recording.entries.some(({ serviceHead }) => serviceHead !== undefined)).toBe(false);
    recording.recorder.passed(recording.tunnel, stream, head);
    expect(
      recording.entries.map(({ serviceHead }) => serviceHead).filter((kept) => kept !== undefined),
    ).toEqual([head]);
    expect(entry.serviceHead).toEqual(head);
  });

  it("is not kept once the exchange is over, nor of one that was not captured", () => {
    const recording = new Recording();
    const { entry, observer } = recording.begin();
    observer.onOver(report());
    recording.recorder.passed(recording.tunnel, recording.streamId, requestHead({ path: "/other" }));
    recording.recorder.paused = true;
    expect(recording.observe()).toBeUndefined();
    recording.recorder.passed(recording.tunnel, recording.streamId, requestHead({ path: "/other" }));
    expect(entry.serviceHead).toBeUndefined();
  });
});

describe("the ring", () => {
  it("lets the oldest entries go, open ones too, and these keep nothing", () => {
    const recording = new Recording({ maxExchanges: 2 });
    const { entry, observer } = recording.begin({ path: "/first" });
    lend((chunk) => observer.onRequestData(chunk), "request");
    observer.onInterim(responseHead(103));
    observer.onHead(eventStream, false);
    lend((chunk) => observer.onData(chunk), "data: a\n\ndata: b");
    recording.begin();
    recording.begin();
    expect(recording.entries.map(({ id }) => id)).toEqual([2, 3]);
    expect(recording.recorder.ring.find(1)).toBeUndefined();
    expect(recording.told.slice(-3)).toEqual(["begun 2", "gone 1", "begun 3"]);
    const bytes = recording.recorder.ring.bytes;
    lend((chunk) => observer.onRequestData(chunk), "more");
    lend((chunk) => observer.onData(chunk), "data: c\n\n");
    observer.onRequestEnd(["X-A", "1"]);
    observer.onEnd(["X-B", "1"]);
    observer.onOver(report());
    entry.grow(1_000);
    expect(entry).toMatchObject({ response: undefined, events: undefined, over: undefined, interim: [] });
    expect(entry).toMatchObject({ requestTrailers: [], responseTrailers: [] });
    expect([entry.requestBody.kept, entry.responseBody.bytes]).toEqual([0, 0]);
    expect(recording.recorder.ring.bytes).toBe(bytes);
    expect(recording.told.slice(-1)).toEqual(["begun 3"]);
  });

  it("keeps the bodies of an entry that has left for those who hold it, and uses their memory again", () => {
    const recording = new Recording({ maxExchanges: 1 });
    const answered = (text: string): Captured => {
      const { entry, observer } = recording.begin();
      observer.onHead(jsonAnswer, false);
      lend((chunk) => observer.onData(chunk), text.repeat(100_000));
      observer.onOver(report());
      return entry;
    };
    const textOf = ({ responseBody }: Captured): string => responseBody.bufferOf().toString();
    const held = answered("a");
    held.hold();
    const left = answered("b");
    expect(textOf(held)).toBe("a".repeat(100_000));
    const last = answered("c");
    expect([textOf(left), textOf(last)]).toEqual(["", "c".repeat(100_000)]);
    expect(textOf(held)).toBe("a".repeat(100_000));
    held.letGo();
    expect(textOf(held)).toBe("");
    expect(held.responseBody).toMatchObject({ bytes: 100_000, kept: 0 });
    answered("d");
    expect(textOf(answered("e"))).toBe("e".repeat(100_000));
  });

  it("lets even the newest entry go if it does not fit alone", () => {
    const recording = new Recording({ maxBytes: 10_000 });
    const { observer } = recording.begin();
    lend((chunk) => observer.onRequestData(chunk), Buffer.alloc(20_000));
    expect(recording.recorder.ring).toMatchObject({ size: 0, bytes: 0 });
    recording.begin();
    expect(recording.entries.map(({ id }) => id)).toEqual([2]);
  });

  it("counts what other rooms keep, and lets nothing go while listeners are being told", () => {
    const seen: string[] = [];
    const ring = (): string => recording.entries.map(({ id }) => id).join();
    const recording: Recording = new Recording({ maxBytes: 10_000 }, [
      {
        begun(entry) {
          entry.grow(4_000);
          seen.push(`begun ${ring()}`);
        },
        gone: ({ id }) => seen.push(`gone ${id} of ${ring()}`),
      },
    ]);
    recording.begin();
    recording.begin();
    expect(seen).toEqual(["begun 1", "begun 1,2", "gone 1 of 2"]);
  });

  it("is cleared of all entries, those of open exchanges too, and goes on", () => {
    const recording = new Recording();
    let changes = 0;
    recording.recorder.onChange = () => (changes += 1);
    const { entry, observer } = recording.begin();
    recording.begin();
    recording.recorder.clear();
    expect(recording.told.slice(-2)).toEqual(["gone 1", "gone 2"]);
    expect(recording.recorder.ring).toMatchObject({ size: 0, bytes: 0 });
    observer.onHead(jsonAnswer, false);
    expect(entry.response).toBeUndefined();
    recording.begin();
    expect(recording.entries.map(({ id }) => id)).toEqual([3]);
    expect(changes).toBe(1);
  });

  it("stays sound when a listener throws", () => {
    const recording = new Recording({ maxBytes: 5_000 }, [
      {
        begun() {
          throw new Error("begun");
        },
        gone() {
          throw new Error("gone");
        },
      },
    ]);
    for (let i = 0; i < 20; i++) {
      try {
        recording.observe();
      } catch {
        expect(recording.recorder.ring.size).toBeLessThan(8);
      }
    }
    expect(() => recording.recorder.clear()).toThrow("gone");
    const { ring } = recording.recorder;
    expect([...ring.entries()]).toHaveLength(ring.size);
    let cost = 0;
    for (const entry of ring.entries()) cost += (entry as Entry).cost;
    expect(ring.bytes).toBe(cost);
  });
});

describe("the recorder", () => {
  it("captures nothing new while it is paused, and what is open goes on", () => {
    const recording = new Recording();
    let changes = 0;
    recording.recorder.onChange = () => (changes += 1);
    const { entry, observer } = recording.begin();
    recording.recorder.paused = true;
    expect(recording.observe()).toBeUndefined();
    recording.recorder.refused({ ...refusal, count: 1 });
    observer.onHead(jsonAnswer, true);
    expect(entry.response).toEqual(jsonAnswer);
    recording.recorder.paused = false;
    expect(recording.observe()).toBeDefined();
    expect(recording.entries.map(({ id }) => id)).toEqual([1, 2]);
    expect(recording.recorder.missed).toEqual({ exchanges: 0, bodies: 0 });
    expect(changes).toBe(2);
  });

  it("captures a replay, even while it is paused", () => {
    const recording = new Recording();
    recording.begin();
    recording.recorder.paused = true;
    const head = requestHead({ path: "/again" });
    const { entry, observer } = recording.recorder.begin(head, 1);
    observer.onHead?.(jsonAnswer, false);
    expect(entry).toMatchObject({ id: 2, replayOf: 1, head, response: jsonAnswer });
    expect(recording.recorder.ring.find(2)).toBe(entry);
  });

  it("makes an entry of what the relay has refused", () => {
    const recording = new Recording();
    recording.recorder.refused(refusal);
    expect(recording.entries).toMatchObject([
      { head: { method: "GET", path: "/x", headers: [] }, refusal, over: undefined },
    ]);
    expect(recording.told).toEqual(["begun 1"]);
  });

  it("gives way when exchanges come too fast, says so, and comes back", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const recording = new Recording();
    let changes = 0;
    recording.recorder.onChange = () => (changes += 1);
    for (let i = 0; i < 2_500; i++) recording.observe();
    expect(recording.recorder.missed).toEqual({ exchanges: 500, bodies: 0 });
    expect(recording.recorder.ring.find(2_000)).toBeDefined();
    expect(changes).toBe(500);
    vi.advanceTimersByTime(100);
    for (let i = 0; i < 150; i++) recording.observe();
    expect(recording.recorder.missed.exchanges).toBe(550);
  });

  it("keeps nothing of a body when too much comes at once", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const recording = new Recording();
    const chunk = Buffer.alloc(maxBodyBytes - 10);
    for (let i = 0; i < 256; i++) recording.begin().observer.onRequestData(chunk);
    const { entry, observer } = recording.begin();
    observer.onRequestData(chunk.subarray(0, 1_000));
    expect(entry.requestBody).toMatchObject({ kept: 1_000, missed: false });
    observer.onRequestData(chunk);
    observer.onRequestData(chunk.subarray(0, 10));
    expect(entry.requestBody).toMatchObject({ bytes: 1_010 + chunk.length, kept: 0, missed: true });
    expect(entry.requestBody.bufferOf()).toEqual(Buffer.alloc(0));
    expect(recording.recorder.missed).toEqual({ exchanges: 0, bodies: 1 });
    vi.advanceTimersByTime(1_000);
    const later = recording.begin();
    later.observer.onRequestData(chunk);
    expect(later.entry.requestBody).toMatchObject({ kept: chunk.length, missed: false });
  });

  it("leaves events out when too many come at once, and finds into the stream again", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const recording = new Recording();
    const { entry, observer } = recording.begin();
    observer.onHead(eventStream, false);
    const many = Buffer.from("data: a\n\n".repeat(20_000));
    observer.onData(many);
    const told = recording.told.filter((what) => what === "event 1").length;
    expect(told).toBeGreaterThan(10_000);
    expect(told).toBeLessThan(20_000);
    expect(entry.responseBody).toMatchObject({ bytes: many.length, missed: true });
    expect(recording.recorder.missed).toEqual({ exchanges: 0, bodies: 1 });
    observer.onData(many);
    lend((chunk) => observer.onData(chunk), "data: begins");
    vi.advanceTimersByTime(1_000);
    lend((chunk) => observer.onData(chunk), "here\n\ndata: next\n\ndata: last\n\n");
    expect(dataOf(entry).slice(-2)).toEqual(["next", "last"]);
    expect(dataOf(entry)).not.toContain("here");
    expect(recording.recorder.missed.bodies).toBe(1);
  });
});

/** A text message as a visitor sends it. The mask is zero. */
function maskedFrame(text: string): Buffer {
  const frame = textFrame(text);
  frame.writeUInt8(0x80 | frame.readUInt8(1), 1);
  return Buffer.concat([frame.subarray(0, 2), Buffer.alloc(4), frame.subarray(2)]);
}

const refusal = {
  code: "too_many_requests",
  status: 429,
  count: 3,
  method: "GET",
  path: "/x",
  limit: undefined,
  message: "too many",
} as const;
