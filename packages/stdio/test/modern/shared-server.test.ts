import { afterEach, describe, expect, it, vi } from "vitest";
import { messagesOf, post, postText, received, scriptedServer, started, textsOf } from "./scripted-server.js";

const subscriptionId = "io.modelcontextprotocol/subscriptionId";

afterEach(() => vi.useRealTimers());

describe("a request", () => {
  it("has a number of its own for the server, and the visitor's id again in the answer", async () => {
    const { server, processes } = scriptedServer();
    const answers = ["a", "b"].map((id) => server.post(...post("tools/list", { id })));
    const process = await started(processes);
    await received(process, 2);
    const ids = process.messages.map((message) => message["id"]);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids.toReversed()) process.say({ jsonrpc: "2.0", id, result: { of: id } });
    const responses = await Promise.all(answers);
    expect(responses.map(({ headers }) => headers.get("content-type"))).toEqual(
      Array(2).fill("application/json"),
    );
    expect(await Promise.all(responses.map(messagesOf))).toEqual([
      [{ jsonrpc: "2.0", id: "a", result: { of: ids[0] } }],
      [{ jsonrpc: "2.0", id: "b", result: { of: ids[1] } }],
    ]);
    expect(processes.map(({ purpose }) => purpose)).toEqual(["shared"]);
  });

  it("passes as it is written, apart from its id and its progress token", async () => {
    const { server, processes } = scriptedServer();
    const envelope = (token: string) =>
      `"_meta" : {"progressToken":${token}, "io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
      '"io.modelcontextprotocol/clientInfo":{"version":"1","name":"t"},' +
      '"io.modelcontextprotocol/clientCapabilities":{}}';
    const text = (id: string, token: string) =>
      '{ "method":"tools/call", "params":{"name":"t","arguments":{"z":1.0,"a":123456789012345678901,' +
      `"b":1e400},${envelope(token)}},  "id": ${id},"jsonrpc":"2.0"}`;
    const answering = server.post(...postText(text("1", '"t-1"')));
    const process = await started(processes);
    await received(process, 1);
    const { id } = process.last as { id: number };
    expect(process.received).toEqual([text(String(id), String(id))]);
    process.sayText(`{"id":${id}, "result": {"n":0.10, "big":123456789012345678901} ,"jsonrpc":"2.0"}`);
    expect(await textsOf(await answering)).toEqual([
      '{"id":1, "result": {"n":0.10, "big":123456789012345678901} ,"jsonrpc":"2.0"}',
    ]);
  });

  it("hears of its progress on a stream, under the token that the visitor chose", async () => {
    const { server, processes } = scriptedServer();
    const answering = server.post(
      ...post("tools/call", { id: 5, params: { name: "t" }, meta: { progressToken: "t" } }),
    );
    const process = await started(processes);
    await received(process, 1);
    const id = process.last["id"];
    process.say(progress(id, 1));
    const response = await answering;
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    process.answer({ done: true });
    expect(await messagesOf(response)).toEqual([
      progress("t", 1),
      { jsonrpc: "2.0", id: 5, result: { done: true } },
    ]);
  });

  it.each([
    [-32_601, 404],
    [-32_600, 400],
    [-32_700, 400],
    [-32_020, 400],
    [-32_021, 400],
    [-32_022, 400],
    [-32_602, 200],
    [-32_603, 200],
    [-1, 200],
  ])("that is answered with the error %i has status %i", async (code, status) => {
    const { server, processes } = scriptedServer();
    const answering = server.post(...post("custom/method"));
    const process = await started(processes);
    await received(process, 1);
    process.refuse(code);
    const response = await answering;
    expect(response.status).toBe(status);
    expect(await messagesOf(response)).toMatchObject([{ id: 1, error: { code } }]);
  });

  it("gets a stream when nothing is said for a while, and comments on it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { server, processes } = scriptedServer({ keepAliveMs: 15_000 });
    const answering = server.post(...post("tools/list"));
    const process = await started(processes);
    await received(process, 1);
    vi.advanceTimersByTime(15_000);
    const response = await answering;
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const read = reader.read();
    vi.advanceTimersByTime(15_000);
    expect((await read).value).toBe(": keepalive\n\n");
    // A server that refuses late does so in the stream: the status was sent before.
    process.refuse(-32_601);
    expect((await reader.read()).value).toContain('"code":-32601');
    expect((await reader.read()).done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is answered with 503 when 1,000 wait already", async () => {
    const { server, processes } = scriptedServer();
    const waiting = Array.from({ length: 1_000 }, (_, id) => server.post(...post("tools/list", { id })));
    await received(await started(processes), 1_000);
    const response = await server.post(...post("tools/list", { id: "one more" }));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await messagesOf(response)).toMatchObject([{ id: "one more", error: { code: -32_603 } }]);
    await server.close();
    await Promise.all(waiting);
  });

  it("is answered with 503 once the server is closed", async () => {
    const { server, processes } = scriptedServer();
    await server.close();
    expect((await server.post(...post("tools/list"))).status).toBe(503);
    expect(processes).toEqual([]);
  });
});

describe("a visitor who leaves", () => {
  it.each(["before the first message", "while a stream is open"])("%s cancels the request", async (when) => {
    const { server, processes } = scriptedServer();
    const leaving = new AbortController();
    const options = { params: { name: "t" }, meta: { progressToken: 1 }, signal: leaving.signal };
    const answering = server.post(...post("tools/call", options));
    const process = await started(processes);
    await received(process, 1);
    const id = process.last["id"];
    if (when === "while a stream is open") {
      process.say(progress(id, 1));
      await answering;
    }
    leaving.abort();
    expect(process.last).toEqual({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: id },
    });
    process.say(progress(id, 2));
    process.say({ jsonrpc: "2.0", id, result: {} });
    await answering;
    expect(process.received).toHaveLength(2);
  });

  it("by the end of the body cancels the request", async () => {
    const { server, processes } = scriptedServer();
    const answering = server.post(
      ...post("tools/call", { params: { name: "t" }, meta: { progressToken: 1 } }),
    );
    const process = await started(processes);
    await received(process, 1);
    process.say(progress(process.last["id"], 1));
    await (await answering).body!.cancel();
    expect(process.last).toMatchObject({ method: "notifications/cancelled", params: { requestId: 1 } });
  });

  it("after the answer cancels nothing", async () => {
    const { server, processes } = scriptedServer();
    const leaving = new AbortController();
    const answering = server.post(...post("tools/list", { signal: leaving.signal }));
    const process = await started(processes);
    await received(process, 1);
    process.answer();
    await answering;
    leaving.abort();
    expect(process.received).toHaveLength(1);
  });

  it("before anything was done starts no process", async () => {
    const { server, processes } = scriptedServer();
    const response = await server.post(...post("tools/list", { signal: AbortSignal.abort() }));
    expect(response.status).toBe(499);
    expect(processes).toEqual([]);
  });

  it("is not needed for a visitor who takes nothing: the request is cancelled", async () => {
    const { server, processes } = scriptedServer();
    const slow = server.post(
      ...post("tools/call", { id: "slow", params: { name: "t" }, meta: { progressToken: 1 } }),
    );
    const process = await started(processes);
    await received(process, 1);
    const id = process.last["id"];
    const large = {
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progressToken: id, x: "x".repeat(2 ** 20) },
    };
    process.say(large);
    const response = await slow;
    process.say(large);
    process.say(large);
    expect(process.last).toMatchObject({ method: "notifications/cancelled", params: { requestId: id } });
    const messages = await messagesOf(response);
    expect(messages.at(-1)).toMatchObject({ id: "slow", error: { code: -32_603 } });
    expect(messages.length).toBeLessThan(4);
  });
});

describe("a subscription", () => {
  it("has the visitor's id in all messages, from the acknowledgement to the end", async () => {
    const { server, processes } = scriptedServer();
    const answering = server.post(...post("subscriptions/listen", { id: "listen:0" }));
    const process = await started(processes);
    await received(process, 1);
    const id = process.last["id"];
    const stamped = (method: string, at: unknown) => ({
      jsonrpc: "2.0",
      method,
      params: { _meta: { [subscriptionId]: at } },
    });
    const result = (at: unknown) => ({ jsonrpc: "2.0", id: at, result: { _meta: { [subscriptionId]: at } } });
    process.say(stamped("notifications/subscriptions/acknowledged", id));
    process.say(stamped("notifications/tools/list_changed", id));
    process.say(result(id));
    expect(await messagesOf(await answering)).toEqual([
      stamped("notifications/subscriptions/acknowledged", "listen:0"),
      stamped("notifications/tools/list_changed", "listen:0"),
      result("listen:0"),
    ]);
  });

  it("ends when the server cancels it", async () => {
    const { server, processes } = scriptedServer();
    const answering = server.post(...post("subscriptions/listen", { id: "listen:0" }));
    const process = await started(processes);
    await received(process, 1);
    const cancelled = (requestId: unknown) => ({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId },
    });
    process.say(cancelled(process.last["id"]));
    expect(await messagesOf(await answering)).toEqual([cancelled("listen:0")]);
    expect(process.received).toHaveLength(1);
  });
});

describe("a notification that names no request", () => {
  const note = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "x" } };

  it("belongs to the only request that is being answered, subscriptions aside", async () => {
    const { server, processes } = scriptedServer();
    void server.post(...post("subscriptions/listen", { id: "listen:0" }));
    const answering = server.post(...post("tools/call", { params: { name: "t" } }));
    const process = await started(processes);
    await received(process, 2);
    process.say(note);
    process.say({ jsonrpc: "2.0", id: process.last["id"], result: {} });
    expect(await messagesOf(await answering)).toEqual([note, { jsonrpc: "2.0", id: 1, result: {} }]);
  });

  it("belongs to nobody while several are being answered, and the person is told once", async () => {
    const { server, processes, events } = scriptedServer();
    const answering = [1, 2].map(() => server.post(...post("tools/call", { params: { name: "t" } })));
    const process = await started(processes);
    await received(process, 2);
    process.say(note);
    process.say(note);
    for (const { id } of process.messages as { id: number }[])
      process.say({ jsonrpc: "2.0", id, result: {} });
    for (const response of await Promise.all(answering)) expect(await messagesOf(response)).toHaveLength(1);
    expect(events).toMatchObject([
      { type: "notice", message: expect.stringContaining("notifications/message") },
    ]);
  });

  it("belongs to nobody while the server may still be working on a cancelled request", async () => {
    const { server, processes } = scriptedServer();
    const leaving = new AbortController();
    void server.post(...post("tools/call", { params: { name: "t" }, signal: leaving.signal }));
    const process = await started(processes);
    await received(process, 1);
    const cancelled = process.last["id"];
    leaving.abort();
    const first = server.post(...post("tools/call", { params: { name: "t" } }));
    await received(process, 3);
    process.say(note);
    process.answer();
    expect(await messagesOf(await first)).toHaveLength(1);

    const second = server.post(...post("tools/call", { params: { name: "t" } }));
    await received(process, 4);
    process.say({ jsonrpc: "2.0", id: cancelled, error: { code: -1, message: "Cancelled" } });
    process.say(note);
    process.answer();
    expect(await messagesOf(await second)).toHaveLength(2);
  });

  it("belongs to the next request a minute after a cancelled one, at once after a subscription", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const { server, processes } = scriptedServer();
    const leaving = new AbortController();
    const { signal } = leaving;
    void server.post(...post("tools/call", { params: { name: "t" }, signal }));
    const process = await started(processes);
    await received(process, 1);
    leaving.abort();
    vi.advanceTimersByTime(60_000);
    const leavingToo = new AbortController();
    void server.post(...post("subscriptions/listen", { signal: leavingToo.signal }));
    await received(process, 3);
    leavingToo.abort();
    const answering = server.post(...post("tools/call", { params: { name: "t" } }));
    await received(process, 5);
    process.say(note);
    process.answer();
    expect(await messagesOf(await answering)).toHaveLength(2);
  });

  it("about progress that nobody asked for is dropped", async () => {
    const { server, processes, events } = scriptedServer();
    const answering = server.post(...post("tools/call", { params: { name: "t" } }));
    const process = await started(processes);
    await received(process, 1);
    process.say(progress(process.last["id"], 1));
    process.say(progress(77, 1));
    process.say(progress("77", 1));
    process.answer();
    expect(await messagesOf(await answering)).toHaveLength(1);
    expect(events).toEqual([]);
  });
});

describe("a request of the server", () => {
  it("is answered with an error, because this revision has none", async () => {
    const { server, processes } = scriptedServer();
    const answering = server.post(...post("tools/list"));
    const process = await started(processes);
    await received(process, 1);
    process.say({ jsonrpc: "2.0", id: "s", method: "roots/list" });
    expect(process.last).toMatchObject({ id: "s", error: { code: -32_601 } });
    process.say({ jsonrpc: "2.0", id: 1, result: {} });
    expect(await messagesOf(await answering)).toHaveLength(1);
  });
});

describe("a notification of a visitor", () => {
  it("is passed to a process that runs, and answered with 202", async () => {
    const { server, processes } = scriptedServer();
    const note = '{"jsonrpc":"2.0","method":"notifications/custom","params":{"x":1.0}}';
    expect((await server.post(...postText(note))).status).toBe(202);
    expect(processes).toEqual([]);
    void server.post(...post("tools/list"));
    const process = await started(processes);
    await received(process, 1);
    expect((await server.post(...postText(note))).status).toBe(202);
    expect(process.received.at(-1)).toBe(note);
  });

  it("cancels no request, which may be another visitor's", async () => {
    const { server, processes } = scriptedServer();
    void server.post(...post("tools/list"));
    const process = await started(processes);
    await received(process, 1);
    const cancel = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}';
    expect((await server.post(...postText(cancel))).status).toBe(202);
    expect(process.received).toHaveLength(1);
  });
});

describe("a message that programs read differently", () => {
  const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
    "io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},
    "io.modelcontextprotocol/clientCapabilities":{}`;
  const listing = (more: string, rest = "") =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{${meta},"progressToken":1}${rest}}${more}}`;

  it.each([
    ["an id in another case", listing(',"ID":1')],
    ["two ids", listing(',"id":1')],
    ["two ids, one of them escaped", listing(',"\\u0069d":1')],
    ["two methods", listing(',"method":"tools/list"')],
    ["a method in another case", listing(',"Method":"notifications/cancelled"')],
    ["params in another case", listing(',"Params":{}')],
    ["params with a long s", listing(',"param\u017f":{}')],
    [
      "two progress tokens",
      listing("", "").replace('"progressToken":1', '"progressToken":1,"progressToken":2'),
    ],
    ["a progress token with the sign for kelvin", listing("").replace("progressToken", "progressTo\u212aen")],
    ["_meta in another case", listing("", ',"_META":{"progressToken":1}')],
    ["an id in another case in a notification", listing("").replace('"id"', '"iD"')],
    ["a request to cancel in another case", listing("", ',"requestID":1')],
  ])("does not pass: %s", async (_what, text) => {
    const { server, processes } = scriptedServer();
    const response = await server.post(...postText(text));
    expect(response.status).toBe(400);
    expect(await messagesOf(response)).toMatchObject([{ error: { code: -32_600 } }]);
    expect(processes).toEqual([]);
  });

  it("passes if they differ in what names no request", async () => {
    const { server, processes } = scriptedServer();
    const text = listing(
      "",
      ',"arguments":{"id":1,"ID":2,"id":3,"_meta":{"progressToken":1,"ProgressToken":2}}',
    );
    void server.post(...postText(text));
    const process = await started(processes);
    await received(process, 1);
    expect(process.received[0]).toContain('"arguments":{"id":1,"ID":2,"id":3');
  });

  it("does not pass as a request that cancels another", async () => {
    const { server, processes } = scriptedServer();
    const response = await server.post(...post("notifications/cancelled", { params: { requestId: 1 } }));
    expect(response.status).toBe(404);
    expect(processes).toEqual([]);
  });
});

describe("a process that takes no more", () => {
  it("gets the next messages in their order when it takes more, and none of visitors who left", async () => {
    const { server, processes } = scriptedServer();
    void server.post(...post("first/request"));
    const process = await started(processes);
    await received(process, 1);
    process.isFull = true;
    void server.post(...post("second/request"));
    await received(process, 2);
    const leaving = new AbortController();
    const left = server.post(...post("third/request", { signal: leaving.signal }));
    void server.post(...post("fourth/request"));
    const noted = server.post(...postText('{"jsonrpc":"2.0","method":"notifications/custom"}'));
    await server.post(...post("wrong", { headers: { "mcp-method": "other" } }));
    leaving.abort();
    expect((await left).status).toBe(499);
    expect(process.received).toHaveLength(2);
    process.drain();
    expect((await noted).status).toBe(202);
    expect(process.messages.map(({ method }) => method)).toEqual([
      "first/request",
      "second/request",
      "fourth/request",
      "notifications/custom",
    ]);
  });

  it("is sent one message at a time while it asks for a pause after each", async () => {
    const { server, processes } = scriptedServer();
    void server.post(...post("first/request"));
    const process = await started(processes);
    await received(process, 1);
    process.isFull = true;
    void server.post(...post("second/request"));
    await received(process, 2);
    const note = '{"jsonrpc":"2.0","method":"notifications/custom"}';
    const waiting = [1, 2].map(() => server.post(...postText(note)));
    await server.post(...post("wrong", { headers: { "mcp-method": "other" } }));
    process.drain({ isFull: true });
    expect(process.received).toHaveLength(3);
    process.drain({ isFull: true });
    expect(process.received).toHaveLength(4);
    await Promise.all(waiting);
  });

  it("has no more text waiting than may be received at a time", async () => {
    const { server, processes } = scriptedServer({ maxReceivingBytes: 1_000 });
    void server.post(...post("first/request"));
    const process = await started(processes);
    await received(process, 1);
    process.isFull = true;
    void server.post(...post("second/request"));
    await received(process, 2);
    const waiting = server.post(...post("third/request", { params: { x: "x".repeat(1_000) } }));
    expect((await server.post(...post("fourth/request", { params: { x: "x".repeat(1_000) } }))).status).toBe(
      503,
    );
    await server.close();
    expect((await waiting).status).toBe(503);
  });
});

describe("drain()", () => {
  it("ends subscriptions, for the server too, and no answer that a visitor waits for", async () => {
    const { server, processes } = scriptedServer();
    const listening = server.post(...post("subscriptions/listen", { id: "listen" }));
    const calling = server.post(...post("tools/list", { id: "list" }));
    const process = await started(processes);
    await received(process, 2);
    const ids = new Map(process.messages.map(({ method, id }) => [method, id]));
    const acknowledged = { _meta: { [subscriptionId]: ids.get("subscriptions/listen") } };
    process.say({
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: acknowledged,
    });
    const stream = await listening;
    server.drain();
    expect(await messagesOf(stream)).toHaveLength(1);
    expect(process.last).toMatchObject({
      method: "notifications/cancelled",
      params: { requestId: ids.get("subscriptions/listen") },
    });
    process.say({ jsonrpc: "2.0", id: ids.get("tools/list"), result: {} });
    expect(await messagesOf(await calling)).toEqual([{ jsonrpc: "2.0", id: "list", result: {} }]);
  });
});

describe("a process that ends", () => {
  it("fails what waits, and is followed by another that is sent none of it again", async () => {
    const { server, processes, backoff } = scriptedServer();
    const silent = server.post(...post("tools/list", { id: "silent" }));
    const streaming = server.post(
      ...post("tools/call", { id: "streaming", params: { name: "t" }, meta: { progressToken: 1 } }),
    );
    const process = await started(processes);
    await received(process, 2);
    process.say(progress(2, 1));
    const stream = await streaming;
    process.exit();

    const answer = await silent;
    // The server may have begun to work on it. A host would send it again after a 503.
    expect(answer.status).toBe(200);
    expect(answer.headers.get("retry-after")).toBeNull();
    const [error] = await messagesOf(answer);
    expect(error).toMatchObject({ id: "silent", error: { code: -32_603 } });
    expect(JSON.stringify(error)).not.toContain("secret");
    expect((await messagesOf(stream)).at(-1)).toMatchObject({ id: "streaming", error: { code: -32_603 } });

    expect(backoff.failures).toBe(1);
    const refused = await server.post(...post("tools/list"));
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(processes).toHaveLength(1);

    backoff.waitMs = 0;
    void server.post(...post("tools/list"));
    const next = await started(processes, 2);
    await received(next, 1);
    expect(next.purpose).toBe("shared");
    expect(next.messages).toMatchObject([{ method: "tools/list" }]);
  });

  it.each(["not_found", "not_started", "message_too_long"] as const)(
    "as %s says so to visitors, and no more",
    async (code) => {
      const { server, processes, backoff } = scriptedServer();
      const waiting = server.post(...post("tools/list"));
      const process = await started(processes);
      await received(process, 1);
      process.exit(code);
      const response = await waiting;
      expect(response.status).toBe(code === "message_too_long" ? 200 : 503);
      expect(await response.text()).toMatch(/could not be started|too long/);
      expect(backoff.failures).toBe(1);
    },
  );

  it("because the server is closed is no failure", async () => {
    const { server, processes, backoff } = scriptedServer();
    const waiting = server.post(...post("tools/list"));
    await received(await started(processes), 1);
    await server.close();
    const [answer] = await messagesOf(await waiting);
    expect(answer).toMatchObject({ error: { code: -32_603 } });
    expect(backoff.failures).toBe(0);
    expect(processes.map(({ isGone }) => isGone)).toEqual([true]);
  });

  it("counts as a good start once it has answered", async () => {
    const { server, processes, backoff } = scriptedServer();
    const waiting = server.post(...post("tools/list"));
    const process = await started(processes);
    await received(process, 1);
    expect(backoff.successes).toBe(0);
    process.answer();
    await waiting;
    expect(backoff.successes).toBe(1);
  });
});

function progress(token: unknown, value: number) {
  return {
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken: token, progress: value },
  };
}
