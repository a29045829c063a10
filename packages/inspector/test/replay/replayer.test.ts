import { createService } from "mcp-tunnel-client";
import type { Service, ServiceOptions } from "mcp-tunnel-client";
import type { AcceptedStream, RequestHead, StreamHandler, StreamReset } from "mcp-tunnel-protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../../test/support/leaks.js";
import { captured } from "../support/captured.js";
import { replayed, startReplays, textOf, visitorFields } from "../support/replay-rig.js";

/** A service of the user's own, and what it was told of each request. */
class OwnService implements Service {
  readonly open = 0;
  readonly told: string[] = [];
  readonly heads: RequestHead[] = [];
  readonly streams: AcceptedStream[] = [];
  closed = false;
  readonly #answer: (stream: AcceptedStream, service: this) => void;

  constructor(answer: (stream: AcceptedStream, service: OwnService) => void = () => {}) {
    this.#answer = answer;
  }

  accept(stream: AcceptedStream, head: RequestHead): StreamHandler {
    this.heads.push(head);
    this.streams.push(stream);
    this.#answer(stream, this);
    return {
      onData: (chunk) => void this.told.push(`data ${chunk.toString()}`),
      onEnd: () => void this.told.push("end"),
      onReset: (reason: StreamReset) => void this.told.push(`reset ${reason.code}`),
      onDrain: () => void this.told.push("drain"),
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

const ok = { status: 200, headers: [] };

describe("Replayer", () => {
  const closing = closingAfterEach();
  afterEach(() => vi.useRealTimers());

  const start = (service: Service, ...more: []) => closing(startReplays(service, ...more));

  describe("the service that it wraps", () => {
    it("gets visitors' streams themselves, and tells the recorder of their heads", () => {
      const service = new OwnService();
      const { wrapped, recorder, tunnel } = start(service);
      const passed = vi.spyOn(recorder, "passed");
      const stream = { id: 7 } as AcceptedStream;
      const head = { method: "GET", path: "/", headers: [] };
      wrapped.accept(stream, head, true, tunnel);
      expect(service.streams[0]).toBe(stream);
      expect(passed).toHaveBeenCalledWith(tunnel, 7, head);
    });

    it("keeps its gate, its begin and its close", async () => {
      const gate = { kinds: ["bearer"], digest: "x" };
      const begin = vi.fn();
      const service = Object.assign(new OwnService(), { gate, begin });
      const { wrapped, tunnel } = startReplays(service);
      expect(wrapped.gate).toBe(gate);
      expect(begin).toHaveBeenCalledWith(tunnel);
      await wrapped.close();
      expect(service.closed).toBe(true);
      expect("gate" in startReplays(new OwnService()).wrapped).toBe(false);
    });
  });

  it("sends a request as the service got it, with its body, under an id that no visitor's stream has", async () => {
    const service = new OwnService((stream) => queueMicrotask(() => stream.sendHead(ok, true)));
    const replays = start(service);
    const serviceHead = {
      method: "POST",
      path: "/a?b",
      headers: [
        ...visitorFields,
        "X-Tunnel-User",
        "ada",
        "If-Match",
        "*",
        "Connection",
        "close",
        "TE",
        "trailers",
      ],
    };
    const replay = await replayed(
      replays,
      captured({ method: "POST", body: "hello", entry: { serviceHead } }),
    );
    const { headers } = service.heads[0] ?? { headers: [] };
    expect(headers).toEqual([...visitorFields, "X-Tunnel-User", "ada", "If-Match", "*"]);
    expect(service.told).toEqual(["data hello", "end"]);
    expect(service.streams[0]?.id).toBeLessThan(0);
    expect(replay.over).toMatchObject({ status: 200, requestBytes: 5, error: undefined });
  });

  it("announces the length of an edited body, and unpacks what was packed", async () => {
    const service = new OwnService((stream) => stream.sendHead(ok, true));
    const replays = start(service);
    const headers = ["Content-Length", "3", "Content-Encoding", "gzip", "Content-Type", "text/plain"];
    const entry = captured({ method: "POST", headers, body: "abc" });
    await replayed(replays, entry, { body: "grün", method: "PUT" });
    expect(service.heads[0]).toEqual({
      method: "PUT",
      path: "/",
      headers: ["Content-Length", "5", "Content-Type", "text/plain"],
    });
    await replayed(replays, entry, { body: "" });
    expect(service.heads[1]?.headers).toEqual(["Content-Length", "0", "Content-Type", "text/plain"]);
  });

  it("puts secrets back where the page showed their marks", async () => {
    const service = new OwnService((stream) => stream.sendHead(ok, true));
    const replays = closing(startReplays(service, undefined, { "0123abcd": "s3cret" }));
    await replayed(replays, captured({ method: "POST", headers: visitorFields }), {
      path: "/a?key=[hidden:0123abcd]",
      headers: [
        ["Host", "demo.relay.test"],
        ["Authorization", "Bearer [hidden:0123abcd]"],
      ],
      body: '{"a":"[hidden:0123abcd]"}',
    });
    expect(service.heads[0]).toEqual({
      method: "POST",
      path: "/a?key=s3cret",
      headers: [
        ...visitorFields.slice(0, 2),
        ...visitorFields.slice(4, 6),
        ...["Authorization", "Bearer s3cret", "Content-Length", "14"],
      ],
    });
    expect(service.told[0]).toBe('data {"a":"s3cret"}');
  });

  describe("a service that breaks the rules costs the replay alone", () => {
    it.each<[string, (stream: AcceptedStream) => void, string]>([
      [
        "throws",
        () => {
          throw new Error("broken");
        },
        "internal",
      ],
      ["writes before its head", (stream) => void stream.write(Buffer.from("x")), "internal"],
      ["ends before its head", (stream) => stream.end(), "internal"],
      [
        "writes what is no Buffer",
        (stream) => {
          stream.sendHead(ok);
          stream.write("text" as unknown as Buffer);
        },
        "internal",
      ],
      ["says that it has failed", (stream) => stream.reset("upstream_failed", "no"), "upstream_failed"],
    ])("%s", async (_what, answer, code) => {
      const replay = await replayed(start(new OwnService(answer)), captured({ method: "POST", body: "x" }));
      expect(replay.over?.error?.code).toBe(code);
    });

    it("throws when it gets the body", async () => {
      const service: Service = {
        open: 0,
        accept: () => ({
          onData() {
            throw new Error("broken");
          },
          onEnd() {},
          onReset() {
            throw new Error("broken too");
          },
        }),
        close: async () => {},
      };
      const replays = start(service);
      const replay = await replayed(replays, captured({ method: "POST", body: "x" }));
      expect(replay.over?.error).toEqual({ code: "internal", message: "the service failed" });
      expect(replays.faults.map(String)).toEqual(["Error: broken", "Error: broken too"]);
    });

    it("answers more than once", async () => {
      const service = new OwnService((stream) => {
        stream.sendHead(ok);
        stream.sendHead({ status: 500, headers: [] });
        stream.write(Buffer.from("once"));
        stream.end();
        stream.write(Buffer.from("twice"));
        stream.end();
        stream.reset("no_error");
        stream.reset("internal");
      });
      const replay = await replayed(start(service), captured());
      expect([replay.over?.status, textOf(replay), replay.over?.error]).toEqual([200, "once", undefined]);
    });
  });

  it("takes an answer without end in turns, so that others have theirs", async () => {
    const chunk = Buffer.alloc(64 * 1_024);
    const service = new OwnService((stream) => {
      stream.sendHead(ok);
      let taken = 1;
      while (stream.write(chunk)) taken += 1;
      expect(taken).toBeLessThan(100);
    });
    const { replayer } = start(service);
    const { id } = await replayer.replay(captured(), {});
    await vi.waitFor(() => expect(service.told).toContain("drain"));
    expect(replayer.cancel(id)).toBe(true);
    expect(service.told.at(-1)).toBe("reset cancelled");
  });

  it("cancels a replay that is not answered, once", async () => {
    const service = new OwnService();
    const { replayer, recorder, events } = start(service);
    const { id } = await replayer.replay(captured(), {});
    expect(replayer.cancel(id + 1)).toBe(false);
    expect(replayer.cancel(id)).toBe(true);
    expect(service.told).toEqual(["end", "reset cancelled"]);
    await vi.waitFor(() => expect(replayer.cancel(id)).toBe(false));
    expect(recorder.ring.find(id)?.over?.error?.code).toBe("cancelled");
    expect(events.at(-1)).toMatchObject({ id, error: { code: "cancelled" } });
  });

  it("waits for ten minutes at the most", async () => {
    vi.useFakeTimers();
    const service = new OwnService();
    const { replayer } = start(service);
    await replayer.replay(captured(), {});
    await vi.advanceTimersByTimeAsync(599_999);
    expect(service.told).toEqual(["end"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(service.told).toEqual(["end", "reset upstream_timeout"]);
  });

  it("has 8 replays open, and begins 20 in a minute", async () => {
    vi.useFakeTimers();
    const service = new OwnService();
    const { replayer } = start(service);
    const tooMany = { status: 429, code: "too_many" };
    const ids: number[] = [];
    for (let i = 0; i < 8; i++) ids.push((await replayer.replay(captured(), {})).id);
    await expect(replayer.replay(captured(), {})).rejects.toMatchObject(tooMany);
    for (const id of ids) replayer.cancel(id);
    await vi.advanceTimersByTimeAsync(0);
    for (let i = 8; i < 20; i++) {
      replayer.cancel((await replayer.replay(captured(), {})).id);
      await vi.advanceTimersByTimeAsync(0);
    }
    await expect(replayer.replay(captured(), {})).rejects.toMatchObject(tooMany);
    await vi.advanceTimersByTimeAsync(60_000);
    await replayer.replay(captured(), {});
  });

  it("sends nothing before the client is connected, and after it was closed", async () => {
    const notConnected = { status: 409, code: "not_connected" };
    const service = new OwnService();
    const { replayer, wrapped } = startReplays(service);
    await replayer.replay(captured(), {});
    await wrapped.close();
    expect(service.told).toEqual(["end", "reset cancelled"]);
    await expect(replayer.replay(captured(), {})).rejects.toMatchObject(notConnected);
    const { replayer: early } = startReplays(service);
    early.wrap(service);
    await expect(early.replay(captured(), {})).rejects.toMatchObject(notConnected);
  });

  it("leaves nothing behind", async () => {
    await expectNoLeaks(async () => {
      const handler = createService({ handler: (_req, res) => res.end("hello") });
      const replays = startReplays(handler);
      expect(textOf(await replayed(replays, captured()))).toBe("hello");
      const silent = startReplays(new OwnService());
      await silent.replayer.replay(captured(), {});
      await silent.close();
      await replays.close();
    });
  });

  it.each<[string, ServiceOptions]>([
    ["a handler", { handler: (req, res) => res.end(req.url) }],
    ["a function of the web", { fetch: (request) => new Response(new URL(request.url).pathname) }],
  ])("reaches %s", async (_what, options) => {
    const replays = start(createService(options));
    const replay = await replayed(replays, captured({ headers: visitorFields }), {
      path: "//evil.example/x",
    });
    expect(textOf(replay)).toBe("//evil.example/x");
  });
});

describe("what can be sent again", () => {
  const cases: [string, Parameters<typeof captured>[0], RegExp | undefined][] = [
    ["a request without a body", {}, undefined],
    ["a body that is kept", { method: "POST", body: "x" }, undefined],
    ["a body of which a part is kept", { method: "POST", body: "x", bodyBytes: 2 }, /first 1 bytes/],
    ["a WebSocket", { messages: [] }, /WebSocket/],
    ["a CONNECT", { method: "connect" }, /CONNECT/],
    [
      "a request that is being sent",
      { status: null, entry: { requestEndMs: undefined } },
      /not complete yet/,
    ],
    ["a request that was cut", { entry: { requestEndMs: undefined } }, /never been complete/],
    [
      "what the relay has refused",
      { entry: { refusal: {} as NonNullable<ReturnType<typeof captured>["refusal"]> } },
      /relay has answered/,
    ],
  ];
  it.each(cases)("%s", async (_what, given, expected) => {
    const replays = startReplays(new OwnService());
    const entry = captured(given);
    if (expected === undefined) {
      expect(replays.replayer.whyNot(entry)).toBe(undefined);
      return;
    }
    expect(replays.replayer.whyNot(entry)).toMatch(expected);
    await expect(replays.replayer.replay(entry, { confirmed: true })).rejects.toMatchObject({
      status: 409,
      code: "cannot_replay",
    });
  });
});
