import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { EventReader } from "../support/events.js";
import type { FakePipe } from "../support/fake-pipe.js";
import { answerInitialize, Bench, both, call, initialize, notification } from "./visitor.js";

const closing = closingAfterEach();

afterEach(() => {
  vi.useRealTimers();
});

function bench(...of: ConstructorParameters<typeof Bench>): Bench {
  return closing(new Bench(...of));
}

async function errorOf(
  response: Response,
): Promise<{ status: number; id: unknown; code: number; message: string }> {
  const { id, error } = (await response.json()) as { id: unknown; error: { code: number; message: string } };
  return { status: response.status, id, ...error };
}

const never = (): void => {};

describe("initialize", () => {
  it("starts a server, and answers with a session id and one event", async () => {
    const rig = bench();
    const response = await rig.stranger().post(initialize);
    expect(rig.pipes.opened.map(({ received }) => received)).toEqual([[initialize]]);
    expect(response.status).toBe(200);
    expect(response.headers.get("Mcp-Session-Id")).toMatch(/^[0-9a-f-]{36}$/);
    const reader = new EventReader(response);
    expect(JSON.parse((await reader.next())!.data)).toMatchObject({
      id: 0,
      result: { protocolVersion: "2025-11-25" },
    });
    expect(await reader.next()).toBeUndefined();
  });

  it.each(["application/json", "*/*", undefined])("answers with JSON to Accept %s", async (accept) => {
    const headers: Record<string, string> = accept === undefined ? { Accept: "" } : { Accept: accept };
    const response = await bench().stranger().post(initialize, headers);
    expect(response.headers.get("Content-Type")).toBe("application/json");
    expect(response.headers.get("Mcp-Session-Id")).not.toBeNull();
    expect(await response.json()).toMatchObject({ id: 0, result: { serverInfo: { name: "fake" } } });
  });

  it("gives each client a server of its own", async () => {
    const rig = bench();
    const [one, other] = [await rig.visitor(), await rig.visitor()];
    expect(one.headers["Mcp-Session-Id"]).not.toBe(other.headers["Mcp-Session-Id"]);
    await one.post(notification("notifications/initialized"));
    expect(rig.pipes.opened.map(({ sent }) => sent.length)).toEqual([2, 1]);
    expect(rig.sessions.size).toBe(2);
  });

  it("answers 503 if the server ends before it answers, and for a while after that", async () => {
    const rig = bench({}, (pipe) => pipe.exit());
    const response = await rig.stranger().post(initialize);
    expect(response.headers.get("Retry-After")).toBe("1");
    expect(await errorOf(response)).toMatchObject({ status: 503, id: 0, code: -32_603 });
    expect(rig.backoff).toMatchObject({ failures: 1, successes: 0 });
    rig.backoff.waitMs = 4_200;
    const soon = await rig.stranger().post(initialize);
    expect(soon.status).toBe(503);
    expect(soon.headers.get("Retry-After")).toBe("5");
    expect(rig.pipes.opened).toHaveLength(1);
    expect(rig.sessions.size).toBe(0);
  });

  it("answers 503 if the server does not answer in time, and ends it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench({ startTimeoutMs: 60_000, args: ["--all"] }, never);
    const answer = rig.stranger().post(initialize);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await errorOf(await answer)).toMatchObject({ status: 503, id: 0 });
    expect(rig.pipes.opened.at(0)!.isEnding).toBe(true);
    expect(rig.backoff.failures).toBe(1);
    expect(rig.notices[0]).toContain("'server --all' has not answered initialize within 1m");
  });

  it("ends the server if the visitor leaves meanwhile, which is no failure", async () => {
    const rig = bench({}, never);
    const visitor = new AbortController();
    const answer = rig.stranger().post(initialize, {}, visitor.signal);
    await expect.poll(() => rig.pipes.opened.length).toBe(1);
    visitor.abort();
    await answer;
    expect(rig.pipes.opened.at(0)!.isEnding).toBe(true);
    expect(rig.backoff).toMatchObject({ failures: 0, successes: 0 });
    expect(rig.sessions.size).toBe(0);
  });

  it("starts nothing for a visitor who has left", async () => {
    const rig = bench();
    await rig.stranger().post(initialize, {}, AbortSignal.abort());
    expect(rig.pipes.opened).toHaveLength(0);
  });

  it.each([
    [-32_022, 400],
    [-32_602, 200],
  ])("passes an error %d on with %d, and gives no session", async (code, status) => {
    const rig = bench({}, (pipe) =>
      pipe.say({ id: 0, error: { code, message: "no", data: { supported: [] } } }),
    );
    const response = await rig.stranger().post(initialize, { Accept: "application/json" });
    expect(response.status).toBe(status);
    expect(response.headers.get("Mcp-Session-Id")).toBeNull();
    expect(await response.json()).toMatchObject({ id: 0, error: { code, data: { supported: [] } } });
    expect(rig.sessions.size).toBe(0);
    expect(rig.pipes.opened.at(0)!.isEnding).toBe(true);
  });

  it("is refused in a batch, and in a session", async () => {
    const rig = bench();
    const visitor = await rig.visitor();
    expect(await errorOf(await rig.stranger().post([initialize]))).toMatchObject({
      status: 400,
      code: -32_600,
    });
    expect(await errorOf(await visitor.post(initialize))).toMatchObject({
      status: 400,
      id: 0,
      code: -32_600,
      message: "Invalid Request: Server already initialized",
    });
    expect(rig.pipes.opened).toHaveLength(1);
  });

  it("opens a new session for a client whose session has ended", async () => {
    const response = await bench().stranger({ "Mcp-Session-Id": "gone" }).post(initialize);
    expect(response.headers.get("Mcp-Session-Id")).not.toBe("gone");
  });

  it("keeps what the server says before its answer for the GET stream", async () => {
    const rig = bench({}, (pipe) => {
      pipe.say({ method: "notifications/message", params: { data: "early" } });
      answerInitialize(pipe);
    });
    const visitor = await rig.visitor();
    const reader = new EventReader(await visitor.get());
    expect((await reader.next())!.data).toContain("early");
  });
});

describe("the id of a session", () => {
  it.each(["post", "get", "delete"] as const)(
    "is required by %s, and has to be of a session",
    async (method) => {
      const rig = bench();
      const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
      const body = method === "post" ? JSON.stringify(call(9)) : undefined;
      const fetch = (more: object) => rig.fetch(method.toUpperCase(), { ...headers, ...more }, body);
      expect(await errorOf(await fetch({}))).toEqual({
        status: 400,
        id: method === "post" ? 9 : null,
        code: -32_000,
        message: "Bad Request: Mcp-Session-Id header is required",
      });
      expect(await errorOf(await fetch({ "Mcp-Session-Id": "x" }))).toEqual({
        status: 404,
        id: method === "post" ? 9 : null,
        code: -32_001,
        message: "Session not found",
      });
    },
  );

  it("is of no use while the session starts", async () => {
    const rig = bench({}, never);
    const answer = rig.stranger().post(initialize);
    await expect.poll(() => rig.sessions.size).toBe(1);
    answerInitialize(rig.pipes.opened.at(0)!);
    expect((await answer).status).toBe(200);
  });
});

describe("MCP-Protocol-Version", () => {
  it.each(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-01-01-draft"])(
    "may be %s",
    async (revision) => {
      const rig = bench({}, (pipe) => answerInitialize(pipe, "2026-01-01-draft"));
      const visitor = await rig.visitor();
      const headers = { "MCP-Protocol-Version": revision };
      expect((await visitor.post(notification("x"), headers)).status).toBe(202);
    },
  );

  it.each(["2026-07-28", "x"])("may not be %s", async (revision) => {
    const visitor = await bench().visitor();
    const headers = { "MCP-Protocol-Version": revision };
    for (const answer of [visitor.post(call(3), headers), visitor.get(headers), visitor.delete(headers)]) {
      expect(await errorOf(await answer)).toMatchObject({
        status: 400,
        code: -32_000,
        message: expect.stringMatching(
          /^Bad Request: Unsupported protocol version: .* \(supported versions: 2025-11-25, /,
        ),
      });
    }
    expect(visitor.server.sent).toHaveLength(1);
  });
});

describe("the end of a session", () => {
  it("comes with DELETE, at once and with its server", async () => {
    const rig = bench();
    rig.pipes.endsAtOnce = false;
    const visitor = await rig.visitor();
    expect((await visitor.delete()).status).toBe(200);
    expect(visitor.server.isEnding).toBe(true);
    expect((await visitor.post(call(1))).status).toBe(404);
    expect(rig.sessions.size).toBe(0);
    visitor.server.exit();
  });

  it("comes with its server's: pending requests get an error, streams end, 404 from then on", async () => {
    const rig = bench();
    const visitor = await rig.visitor();
    const streamed = new EventReader(await visitor.post(call(1)));
    const gathered = visitor.post([call("a"), call("b")], { Accept: "application/json" });
    const get = new EventReader(await visitor.get());
    await expect.poll(() => visitor.server.sent.length).toBe(4);
    visitor.server.exit();
    const error = { code: -32_603, message: "the MCP server has ended" };
    expect((await streamed.rest()).map((text) => JSON.parse(text) as unknown)).toEqual([
      { jsonrpc: "2.0", id: 1, error },
    ]);
    expect(await (await gathered).json()).toEqual([
      { jsonrpc: "2.0", id: "a", error },
      { jsonrpc: "2.0", id: "b", error },
    ]);
    expect(await get.rest()).toEqual([]);
    expect((await visitor.get()).status).toBe(404);
    expect((await visitor.delete()).status).toBe(404);
    expect(rig.sessions.size).toBe(0);
    expect(rig.backoff.failures).toBe(0);
  });

  it("comes when nothing has used it for a while", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench({ sessionIdleMs: 10_000 });
    const visitor = await rig.visitor();
    await vi.advanceTimersByTimeAsync(9_999);
    await visitor.post(notification("x"));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(rig.sessions.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(rig.sessions.size).toBe(0);
    expect(visitor.server.isEnding).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not come while a visitor waits for an answer or has a GET stream open", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench({ sessionIdleMs: 10_000 });
    const visitor = await rig.visitor();
    const call1 = new EventReader(await visitor.post(call(1)));
    await vi.advanceTimersByTimeAsync(1_000_000);
    const get = new EventReader(await visitor.get());
    visitor.server.say({ id: 1, result: {} });
    await call1.rest();
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(rig.sessions.size).toBe(1);
    await get.leave();
    await vi.advanceTimersByTimeAsync(9_999);
    expect(rig.sessions.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(rig.sessions.size).toBe(0);
  });

  it.each(["text/event-stream", "application/json"])(
    "comes if a visitor has left a call that is never answered (%s)",
    async (accept) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
      const rig = bench({ sessionIdleMs: 10_000 });
      const visitor = await rig.visitor();
      const leaving = new AbortController();
      const posted = visitor.post(call(1), { Accept: accept }, leaving.signal);
      if (accept === "text/event-stream") await (await posted).body!.cancel();
      while (visitor.server.received.length < 2) await new Promise(setImmediate);
      leaving.abort();
      await vi.advanceTimersByTimeAsync(9_999);
      // A server that is still at work keeps its session: the visitor may come back for the rest.
      visitor.server.say({ method: "notifications/message", params: {} });
      await vi.advanceTimersByTimeAsync(9_999);
      expect(rig.sessions.size).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(rig.sessions.size).toBe(0);
    },
  );

  it("comes with close(), which waits for the servers and leaves no timer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    let isAnswering = true;
    const rig = bench({}, (pipe) => {
      if (isAnswering) answerInitialize(pipe);
    });
    rig.pipes.endsAtOnce = false;
    const visitor = await rig.visitor();
    const stream = new EventReader(await visitor.post(call(1)));
    await visitor.post(notification("notifications/cancelled", { requestId: 1 }));
    await visitor.get();
    isAnswering = false;
    const starting = rig.stranger().post(initialize);
    await vi.waitFor(() => expect(rig.pipes.opened).toHaveLength(2));
    let isClosed = false;
    const closed = rig.close().then(() => {
      isClosed = true;
    });
    expect((await starting).status).toBe(503);
    expect(await stream.rest()).toEqual([]);
    rig.pipes.opened.at(0)!.exit();
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    rig.pipes.opened.at(1)!.exit();
    await closed;
    expect(vi.getTimerCount()).toBe(0);
    expect((await rig.stranger().post(initialize)).status).toBe(503);
    expect(rig.backoff.failures).toBe(0);
  });
});

describe("drain()", () => {
  it("ends GET streams, and no answer that a visitor waits for", async () => {
    const rig = bench();
    const visitor = await rig.visitor();
    const get = new EventReader(await visitor.get());
    const answer = new EventReader(await visitor.post(call(1)));
    rig.sessions.drain();
    expect(await get.rest()).toEqual([]);
    visitor.server.say({ id: 1, result: {} });
    expect(await answer.rest()).toHaveLength(1);
    expect(rig.sessions.size).toBe(1);
  });
});

describe("a thousand sessions, dropped in every way,", () => {
  it("leave no timer and no session", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench({ sessionIdleMs: 10_000 });
    for (let count = 0; count < 1_000; count++) {
      const visitor = await rig.visitor();
      const stream = await visitor.post(call(1));
      const get = await visitor.get();
      if (count % 3 === 0) await stream.body!.cancel();
      if (count % 5 === 0) await get.body!.cancel();
      if (count % 7 === 0) await visitor.post(notification("notifications/cancelled", { requestId: 1 }));
      switch (count % 4) {
        case 0:
          await visitor.delete();
          break;
        case 1:
          visitor.server.exit();
          break;
        case 2:
          visitor.server.say({ id: 1, result: {} });
          await get.body!.cancel();
          await vi.advanceTimersByTimeAsync(10_000);
          break;
        default:
          await get.body!.cancel();
          await stream.body!.cancel();
          visitor.server.exit({ code: "message_too_long", message: "long" });
      }
      await new Promise(setImmediate);
    }
    expect(rig.sessions.size).toBe(0);
    expect(rig.pipes.opened).toHaveLength(1_000);
    // Some streams have ended, and nobody reads them.
    await vi.advanceTimersByTimeAsync(30_000);
    expect(rig.unread.bytes).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the number of sessions", () => {
  it("is bounded: 503, unless one was not used for a minute", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench({ maxSessions: 3 });
    const [first, second, third] = [await rig.visitor(), await rig.visitor(), await rig.visitor()];
    const busy = await first.post(call(1));
    await third.post(notification("notifications/initialized"));
    await vi.advanceTimersByTimeAsync(30_000);
    await second.post(notification("x"));
    await vi.advanceTimersByTimeAsync(29_999);
    const full = await rig.stranger().post(initialize);
    expect(full.headers.get("Retry-After")).not.toBeNull();
    expect(await errorOf(full)).toMatchObject({ status: 503, id: 0 });
    await rig.stranger().post(initialize);
    expect(rig.notices).toEqual([expect.stringMatching(/^All sessions are in use \(maxSessions: 3\)/)]);
    await vi.advanceTimersByTimeAsync(1);
    await rig.visitor();
    await rig.stranger().post(initialize);
    expect(rig.notices).toHaveLength(2);
    expect(third.server.isEnding).toBe(true);
    expect(second.server.isEnding).toBe(false);
    expect(first.server.isEnding).toBe(false);
    await busy.body!.cancel();
  });

  it("has room again soon if nothing was heard of a session since it began", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const rig = bench({ maxSessions: 2 });
    const [known, unheard] = [await rig.visitor(), await rig.visitor()];
    await known.post(notification("notifications/initialized"));
    await vi.advanceTimersByTimeAsync(4_999);
    expect((await rig.stranger().post(initialize)).status).toBe(503);
    await vi.advanceTimersByTimeAsync(1);
    expect((await rig.stranger().post(initialize)).status).toBe(200);
    expect([known.server.isEnding, unheard.server.isEnding]).toEqual([false, true]);
  });

  it("counts servers that take their time to end, from twice as many on", async () => {
    const rig = bench({ maxSessions: 2 });
    rig.pipes.endsAtOnce = false;
    for (let count = 0; count < 4; count++) await (await rig.visitor()).delete();
    expect((await rig.stranger().post(initialize)).status).toBe(503);
    rig.pipes.opened.at(0)!.exit();
    await vi.waitFor(async () => expect((await rig.stranger().post(initialize)).status).toBe(200));
    for (const pipe of rig.pipes.opened) pipe.exit();
  });
});

function lastOf(pipe: FakePipe): unknown {
  return pipe.received.at(-1);
}

describe("messages of a visitor", () => {
  it("get 202 if there is no request among them", async () => {
    const visitor = await bench().visitor();
    const response = await visitor.post([notification("a"), { jsonrpc: "2.0", id: 7, result: { x: 1 } }]);
    expect([response.status, await response.text()]).toEqual([202, ""]);
    expect(visitor.server.received.slice(1)).toEqual([
      notification("a"),
      { jsonrpc: "2.0", id: 7, result: { x: 1 } },
    ]);
  });

  it("pass as they came, and so do the answers", async () => {
    const visitor = await bench().visitor();
    const request =
      '{"z":0.10,"jsonrpc":"2.0","method":"tools/call","id":"a","params":{"n":12345678901234567890}}';
    const answer = '{"id":"a","result":{"n":1e400,"b":[-0,1.0]},"jsonrpc":"2.0","extra":{"2":1,"1":2}}';
    const streamed = new EventReader(await visitor.post(request));
    expect(visitor.server.sent.at(-1)).toBe(request);
    visitor.server.say(answer);
    expect(await streamed.rest()).toEqual([answer]);
    const gathered = visitor.post(request.replaceAll(",", ",\n  "), { Accept: "application/json" });
    await vi.waitFor(() => expect(visitor.server.sent).toHaveLength(3));
    expect(lastOf(visitor.server)).toEqual(JSON.parse(request));
    expect(visitor.server.sent.at(-1)).not.toContain("\n");
    visitor.server.say(answer);
    expect(await (await gathered).text()).toBe(answer);
  });

  it("are gathered as an array if they came as one", async () => {
    const visitor = await bench().visitor();
    const answer = visitor.post([call(1)], { Accept: "*/*" });
    await vi.waitFor(() => expect(visitor.server.sent).toHaveLength(2));
    visitor.server.say({ id: 1, result: {} });
    const response = await answer;
    expect(await response.json()).toEqual([{ jsonrpc: "2.0", id: 1, result: {} }]);
    expect(response.headers.get("Mcp-Session-Id")).toBe(visitor.headers["Mcp-Session-Id"]);
  });

  it("get one stream for a batch, which ends with the last answer", async () => {
    const visitor = await bench().visitor();
    const stream = new EventReader(await visitor.post([call(1), notification("x"), call("1")]));
    visitor.server.say({ id: "1", result: { of: "text" } });
    visitor.server.say({ id: 1, result: { of: "number" } });
    const texts = await stream.rest();
    expect(texts.map((text) => (JSON.parse(text) as { id: unknown }).id)).toEqual(["1", 1]);
  });

  it("are refused if a request of the same id is pending", async () => {
    const visitor = await bench().visitor();
    await visitor.post(call(1));
    expect(await errorOf(await visitor.post(call(1)))).toMatchObject({ status: 400, id: 1, code: -32_600 });
    expect(await errorOf(await visitor.post([call(2), call(2)]))).toMatchObject({ status: 400, id: 2 });
    expect(visitor.server.sent).toHaveLength(2);
    visitor.server.say({ id: 1, result: {} });
    expect((await visitor.post(call(1))).status).toBe(200);
  });

  it("are refused if a thousand requests are pending", async () => {
    const visitor = await bench().visitor();
    const hundred = (at: number) => Array.from({ length: 100 }, (_, index) => call(at * 100 + index));
    for (let at = 0; at < 10; at++) await visitor.post(hundred(at));
    const response = await visitor.post(call("more"));
    expect(response.headers.get("Retry-After")).toBe("1");
    expect(await errorOf(response)).toMatchObject({ status: 503, id: "more" });
    expect((await visitor.post(notification("x"))).status).toBe(202);
  });

  it("wait while the server takes none, in their order, and leave with their visitors", async () => {
    const visitor = await bench().visitor();
    visitor.server.isFull = true;
    expect((await visitor.post(notification("first"))).status).toBe(202);
    const leaving = new AbortController();
    const second = visitor.post(notification("second"), {}, leaving.signal);
    const third = visitor.post(call(3));
    const fourth = visitor.post(notification("fourth"));
    await new Promise(setImmediate);
    expect(visitor.server.sent).toHaveLength(2);
    leaving.abort();
    await second;
    visitor.server.drain();
    expect((await third).status).toBe(200);
    expect((await fourth).status).toBe(202);
    expect(visitor.server.received.slice(2).map(({ method }) => method)).toEqual(["tools/call", "fourth"]);
  });

  it("that wait get 404 when the server ends", async () => {
    const visitor = await bench().visitor();
    visitor.server.isFull = true;
    await visitor.post(notification("first"));
    const waiting = visitor.post(call(3));
    await new Promise(setImmediate);
    visitor.server.exit();
    expect((await waiting).status).toBe(404);
    expect(visitor.server.sent).toHaveLength(2);
  });
});

describe("a request that its visitor cancels", () => {
  const cancel = notification("notifications/cancelled", { requestId: 1, reason: "slow" });

  it("is answered all the same if the server answers", async () => {
    const visitor = await bench().visitor();
    const stream = new EventReader(await visitor.post(call(1)));
    await visitor.post(cancel);
    expect(lastOf(visitor.server)).toEqual(cancel);
    visitor.server.say({ id: 1, result: {} });
    expect(await stream.rest()).toHaveLength(1);
  });

  it("ends without an answer when its server ends", async () => {
    const visitor = await bench().visitor();
    const stream = new EventReader(await visitor.post([call(1), call(2)]));
    await visitor.post(cancel);
    visitor.server.exit();
    expect((await stream.rest()).map((text) => (JSON.parse(text) as { id: unknown }).id)).toEqual([2]);
  });

  it.each([both.Accept, "application/json"])("ends after a minute without an answer (%s)", async (accept) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const visitor = await bench().visitor({ Accept: accept });
    const answer = visitor.post(call(1));
    await vi.advanceTimersByTimeAsync(0);
    await visitor.post(cancel);
    await vi.advanceTimersByTimeAsync(59_999);
    expect((await visitor.post(call(1))).status).toBe(400);
    await vi.advanceTimersByTimeAsync(1);
    const response = await answer;
    if (accept === "application/json") expect([response.status, await response.text()]).toEqual([202, ""]);
    else {
      const stream = new EventReader(response);
      expect(await stream.rest()).toEqual([]);
      // The visitor comes back, as clients do whose stream has ended without an answer.
      expect((await visitor.resume(stream.lastEventId)).status).toBe(204);
    }
    visitor.server.say({ id: 1, result: {} });
    expect((await visitor.post(call(1), both)).status).toBe(200);
  });
});
