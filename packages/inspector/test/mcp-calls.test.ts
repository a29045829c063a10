import { noBody } from "../src/capture/body.js";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  type FakeExchange,
  failure,
  fakeHider,
  modern,
  notification,
  openSession,
  request,
  result,
  Rig,
  text,
  toolCall,
} from "./support/mcp-rig.js";
import { wordsOfError } from "../src/mcp/words.js";

/** A rig with an open session of the earlier era. Exchange 1 has opened it. */
function opened(): { rig: Rig; headers: Readonly<Record<string, string>> } {
  const rig = new Rig();
  return { rig, headers: openSession(rig) };
}

const progress = (progressToken: unknown, count: number): object =>
  notification("notifications/progress", {
    progressToken,
    progress: count,
    total: 3,
    message: `step ${count}`,
  });

describe("a call", () => {
  it("that is answered with JSON has its texts, its outcome and its duration", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "add", { a: 1, b: 2 }), { headers });
    expect(rig.view.summary(call.entry)).toEqual({ method: "tools/call", name: "add", session: "s1" });
    call.json(result(1, text("3")), { atMs: 12 });
    expect(rig.view.call(call.key, fakeHider())).toMatchObject({
      key: "2.0",
      exchange: 2,
      session: "s1",
      method: "tools/call",
      name: "add",
      id: 1,
      outcome: "ok",
      durationMs: 12,
      request: JSON.stringify(toolCall(1, "add", { a: 1, b: 2 })),
      params: '{"name":"add","arguments":{"a":1,"b":2},"_meta":{}}',
      result: JSON.stringify(text("3")),
      sessionInfo: { key: "s1", client: { name: "a host" } },
      counts: { progress: 0, logs: 0, requests: 0 },
      hidden: 0,
    });
    expect(rig.timeline(call.key)).toEqual(["0 client request tools/call add", "12 server result  3"]);
    expect(rig.view.callsOf(call.entry)).toEqual(["2.0"]);
    expect(rig.view.session("s1")?.calls.map(({ key }) => key)).toEqual(["2.0", "1.0"]);
  });

  it("keeps the spelling of its message: numbers that JavaScript cannot hold stay as they are", () => {
    const { rig, headers } = opened();
    const body =
      '{ "jsonrpc": "2.0", "id": 1, "method": "m", "params": { "n": 12345678901234567890, "f": 1.0 } }';
    const call = rig.post(body, { headers });
    expect(rig.view.call(call.key, fakeHider())).toMatchObject({
      request: body,
      params: '{ "n": 12345678901234567890, "f": 1.0 }',
    });
  });

  it("tells errors of JSON-RPC and of tools apart", () => {
    const { rig, headers } = opened();
    const wrong = rig.post(toolCall(1, "add"), { headers }).json(failure(1, -32_602, "no such secret tool"));
    const failed = rig.post(toolCall(2, "add"), { headers });
    failed.json(result(2, { ...text("a secret went wrong"), isError: true }));
    expect(rig.call(wrong.key)).toMatchObject({
      outcome: "error",
      error: { code: -32_602, message: "no such [hidden] tool" },
    });
    expect(rig.call(failed.key)).toMatchObject({
      outcome: "tool_error",
      error: { message: "a [hidden] went wrong" },
    });
    expect(rig.view.summary(failed.entry)?.error).toEqual({ message: "a [hidden] went wrong" });
    expect(rig.onlySession).toMatchObject({ errors: 2, open: 0 });
    expect(rig.timeline(wrong.key).at(-1)).toBe("5 server error  -32602 no such [hidden] tool");
  });

  it("has the progress, the logs and the notifications that came on its answer", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "count", {}, { progressToken: "t" }), { headers }).events();
    call.event("", 1, { id: "first" });
    call.event(": keepalive", 2, { isComment: true });
    call.event(progress("t", 1), 10).event(progress("t", 2), 20);
    call.event(notification("notifications/message", { level: "info", logger: "l", data: { a: 1 } }), 25);
    call.event(notification("notifications/resources/updated", { uri: "x:y" }), 26);
    expect(rig.call(call.key)).toMatchObject({ outcome: "open", counts: { progress: 2, logs: 1 } });
    call.event(result(1, text("done")), 30).end(500);
    expect(rig.call(call.key)).toMatchObject({
      outcome: "ok",
      durationMs: 30,
      lastProgress: { progress: 2, total: 3, message: "step 2" },
    });
    expect(rig.timeline(call.key)).toEqual([
      "0 client request tools/call count",
      "10 server progress notifications/progress 1 of 3: step 1",
      "20 server progress notifications/progress 2 of 3: step 2",
      '25 server log notifications/message info (l): {"a":1}',
      "26 server notification notifications/resources/updated ",
      "30 server result  done",
    ]);
  });

  it("shows the messages of events that are kept, and the others without", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "count", {}, { progressToken: 7 }), { headers }).events();
    for (let i = 1; i <= 3; i++) call.event(progress(7, i), i);
    call.dropEvents(2);
    call.event(result(1), 9);
    const messages = rig.view.call(call.key, fakeHider())?.timeline.map(({ message }) => message);
    expect(messages).toEqual([
      JSON.stringify(toolCall(1, "count", {}, { progressToken: 7 })),
      undefined,
      undefined,
      JSON.stringify(progress(7, 3)),
      JSON.stringify(result(1)),
    ]);
  });

  it("has what the server asks meanwhile, and the client's answers, which are other exchanges", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "ask"), { headers }).events();
    const sampling = { messages: [{ role: "user", content: { type: "text", text: "What is a tunnel?" } }] };
    call.event(request(0, "sampling/createMessage", sampling), 10);
    call.event(request("e", "elicitation/create", { message: "Which colour?" }), 20);
    const said = rig.post(result(0, { role: "assistant", content: { type: "text", text: "A hole." } }), {
      headers,
      startedAt: 1_030,
    });
    said.head(202).end();
    rig
      .post(failure("e", -1, "The user is away"), { headers, startedAt: 1_040 })
      .head(202)
      .end();
    call.event(result(1), 50).end(51);
    expect(rig.call(call.key).counts.requests).toBe(2);
    expect(rig.view.summary(said.entry)).toEqual({ method: "(answer)", session: "s1" });
    expect(rig.timeline(call.key)).toEqual([
      "0 client request tools/call ask",
      "10 server server_request sampling/createMessage What is a tunnel?",
      "20 server server_request elicitation/create Which colour?",
      "30 client client_answer sampling/createMessage A hole.",
      "40 client client_answer elicitation/create -1 The user is away",
      "50 server result  ",
    ]);
    const exchanges = rig.view.call(call.key, fakeHider())?.timeline.map(({ exchange }) => exchange);
    expect(exchanges).toEqual([2, 2, 2, 3, 4, 2]);
  });

  it("gets what comes on the session's own stream if it is the only one that is open", () => {
    const { rig, headers } = opened();
    const stream = rig.request({ method: "GET", headers, startedAt: 900 }).events();
    stream.event(notification("notifications/message", { level: "info", data: "for nobody" }), 1);
    const one = rig.post(toolCall(1, "log", {}, { progressToken: 1 }), { headers }).events();
    stream.event(notification("notifications/message", { level: "info", data: "for one" }), 110);
    const two = rig.post(toolCall(2, "log"), { headers }).events();
    stream.event(notification("notifications/message", { level: "info", data: "for whom?" }), 120);
    // Progress names its call.
    stream.event(progress(1, 1), 130);
    expect(rig.call(one.key).counts).toMatchObject({ logs: 1, progress: 1 });
    expect(rig.call(two.key).counts).toMatchObject({ logs: 0, progress: 0 });
    expect(rig.timeline(one.key)).toContain("10 server log notifications/message info: for one");
    expect(rig.view.summary(stream.entry)).toBeUndefined();
    expect(stream.entry.mcp?.session).toBe("s1");
  });

  it("that the client takes back is cancelled, even if it is answered after all", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "wait"), { headers }).events();
    const params = { requestId: 1, reason: "I am tired" };
    rig.post(notification("notifications/cancelled", params), { headers, startedAt: 1_040 }).head(202).end();
    expect(rig.onlySession.open).toBe(0);
    call.event(result(1), 90).end(100);
    expect(rig.call(call.key)).toMatchObject({ outcome: "cancelled", durationMs: 40, result: "{}" });
    expect(rig.timeline(call.key)).toEqual([
      "0 client request tools/call wait",
      "40 client cancel notifications/cancelled I am tired",
      "90 server result  ",
    ]);
  });

  it("is told of an exchange that is over when that has left the ring, as to a recording", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "add"), { headers }).json(result(1));
    const open = rig.post(toolCall(2, "add"), { headers }).events();
    rig.forget(call);
    rig.forget(open);
    expect(rig.view.summary(call.entry)).toMatchObject({ method: "tools/call", name: "add" });
    expect(rig.view.summary(open.entry)).toBeUndefined();
    expect(rig.onlySession.calls).toBe(1);
  });

  it("whose answer ends without a result was cut, until the answer comes on another stream", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "wait"), { headers }).events().end(20);
    expect(rig.call(call.key)).toMatchObject({
      outcome: "cut",
      durationMs: 20,
      notes: [{ code: "no_answer" }],
    });
    expect(rig.onlySession.errors).toBe(1);
    const resumed = rig.request({ method: "GET", headers, startedAt: 1_050 }).events();
    resumed.event(result(1, text("late")), 10);
    expect(rig.call(call.key)).toMatchObject({ outcome: "ok", durationMs: 60, notes: [] });
    expect(rig.call(call.key).error).toBeUndefined();
    expect(rig.onlySession.errors).toBe(0);
    expect(rig.view.call(call.key, fakeHider())?.result).toBe(JSON.stringify(text("late")));
  });

  it("is not cancelled by a client that only lost its connection, in the earlier era", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "wait"), { headers }).events();
    call.end(20, { code: "cancelled", message: "" });
    expect(rig.call(call.key)).toMatchObject({ outcome: "cut", error: { message: "the client has left" } });
  });

  it("that never reached the server says why", () => {
    const { rig, headers } = opened();
    const lost = rig.post(toolCall(1, "add"), { headers });
    lost.end(3, { code: "refused", message: "nothing listens" });
    const refused = rig
      .post(toolCall(2, "add"), { headers })
      .head(401, { "www-authenticate": "Bearer" })
      .end();
    expect(rig.call(lost.key)).toMatchObject({ outcome: "cut", error: { message: "nothing listens" } });
    expect(rig.call(refused.key)).toMatchObject({ outcome: "error", error: { message: "HTTP 401" } });
  });

  it("that takes longer than hosts wait says so, beside all limits", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "slow"), { headers }).json(result(1), { atMs: 61_000 });
    const detail = rig.view.call(call.key, fakeHider());
    expect(detail?.limits.map(({ host, exceeded }) => [host, exceeded])).toEqual([
      ["Claude", false],
      ["ChatGPT", true],
      ["Codex", true],
      ["MCP's TypeScript SDK", true],
    ]);
    expect(detail?.notes).toMatchObject([{ code: "over_limit" }]);
    expect(detail?.notes[0]?.text).toContain("61.0 s");
  });

  it("knows of which call it is a replay, and hides secrets everywhere", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "add", { key: "secret" }), { headers, replayOf: 2 });
    call.json(result(1, text("secret")));
    const hider = fakeHider();
    const detail = rig.view.call(call.key, hider);
    expect(detail?.replayOf).toBe(2);
    expect(JSON.stringify(detail)).not.toContain("secret");
    expect(detail?.hidden).toBe(hider.count);
    expect(hider.count).toBeGreaterThan(3);
  });
});

describe("a batch", () => {
  it("has a call for each request, which are answered in any order", () => {
    const { rig, headers } = opened();
    const batch = [toolCall(1, "add"), notification("notifications/x"), 5, request(2, "ping")];
    const exchange = rig.post(batch, { headers });
    expect(rig.view.summary(exchange.entry)).toMatchObject({ method: "tools/call", batch: 4 });
    exchange.json([result(2), failure(1, -1, "no")]);
    expect(rig.view.callsOf(exchange.entry)).toEqual(["2.0", "2.3"]);
    expect(rig.call("2.0")).toMatchObject({ outcome: "error" });
    expect(rig.view.call("2.3", fakeHider())).toMatchObject({
      outcome: "ok",
      request: JSON.stringify(request(2, "ping")),
      result: "{}",
    });
  });

  it("of very many requests is shown in part, and says so", () => {
    const { rig, headers } = opened();
    const batch = Array.from({ length: 3_000 }, (_, id) => request(id, "ping"));
    const exchange = rig.post(batch, { headers });
    expect(rig.view.callsOf(exchange.entry).length).toBe(100);
    expect(rig.call("2.0").notes).toMatchObject([{ code: "not_read" }]);
  });
});

describe("revision 2026-07-28", () => {
  it("cancels a call by closing its answer", () => {
    const rig = new Rig();
    const call = rig.request(modern(1, "tools/call", { name: "wait" })).events();
    call.end(30, { code: "cancelled", message: "" });
    expect(rig.call(call.key)).toMatchObject({ outcome: "cancelled", durationMs: 30, notes: [] });
    expect(rig.timeline(call.key).at(-1)).toMatch(/^30 client cancel {2}The client has closed/);
  });

  it("asks by a result, and the call that is made again has the answers", () => {
    const rig = new Rig();
    const asking = rig.request(modern(1, "tools/call", { name: "choose" }));
    const inputRequests = { colour: { method: "elicitation/create", params: { message: "Which colour?" } } };
    asking.json(result(1, { resultType: "input_required", inputRequests, requestState: "s" }), { atMs: 8 });
    const inputResponses = { colour: { action: "accept", content: { colour: "blue" } } };
    const params = { name: "choose", inputResponses, requestState: "s" };
    const again = rig.request({ ...modern(2, "tools/call", params), startedAt: 1_100 });
    again.json(result(2, { ...text("blue"), resultType: "complete" }));
    expect(rig.call(asking.key)).toMatchObject({ outcome: "ok", counts: { requests: 1 } });
    expect(rig.timeline(asking.key)).toEqual([
      "0 client request tools/call choose",
      "8 server result  asks for an answer first",
      "8 server server_request elicitation/create Which colour?",
      "100 client client_answer  colour: accept",
    ]);
    // What the items have in common is told once.
    const messages = rig.view
      .call(asking.key, fakeHider())
      ?.timeline.map(({ message }) => message !== undefined);
    expect(messages).toEqual([true, true, false, true]);
    expect(rig.timeline(again.key)).toEqual([
      "0 client request tools/call choose",
      "0 client client_answer  colour: accept",
      "5 server result  blue",
    ]);
  });

  it("has what a subscription tells in the call that has opened it", () => {
    const rig = new Rig();
    const listen = rig.request(modern(1, "subscriptions/listen", { toolsListChanged: true })).events();
    listen.event(notification("notifications/subscriptions/acknowledged"), 2);
    listen.event(notification("notifications/tools/list_changed"), 90_000);
    listen.event(result(1), 100_000).end(100_000);
    // It is not a call that a host waits for.
    expect(rig.call(listen.key)).toMatchObject({ outcome: "ok", notes: [] });
    expect(rig.timeline(listen.key)).toHaveLength(4);
  });

  it("notes header fields that disagree with the message", () => {
    const rig = new Rig();
    const made = modern(1, "tools/call", { name: "ä" });
    const fine = rig.request({
      ...made,
      headers: { ...made.headers, "mcp-name": `=?base64?${Buffer.from("ä").toString("base64")}?=` },
    });
    expect(rig.call(fine.key).notes).toEqual([]);
    const other = {
      "mcp-protocol-version": "2026-07-29",
      "mcp-method": "tools/list",
      "mcp-name": "=?base64?!?=",
    };
    const wrong = rig.request({ ...made, headers: other });
    expect(rig.call(wrong.key).notes.map(({ code, text: told }) => [code, told])).toEqual([
      [
        "header_mismatch",
        '_meta is "2026-07-28", but the header field MCP-Protocol-Version says "2026-07-29"',
      ],
      ["header_mismatch", 'method is "tools/call", but the header field Mcp-Method says "tools/list"'],
      ["header_mismatch", 'params.name is "ä", but the base64 in the header field Mcp-Name is broken'],
    ]);
    const missing = rig.request({ ...made, headers: {} });
    expect(rig.call(missing.key).notes).toHaveLength(3);
  });

  it("notes Mcp-Param fields that disagree with the arguments, if the tool is known", () => {
    const rig = new Rig();
    const region = { type: "string", "x-mcp-header": "Region" };
    const count = { type: "integer", "x-mcp-header": "Count" };
    const properties = {
      region,
      where: { type: "object", properties: { count } },
      other: { type: "string" },
    };
    const tool = { name: "find", inputSchema: { type: "object", properties } };
    rig.request(modern(0, "tools/list")).json(result(0, { tools: [tool] }));
    const params = { name: "find", arguments: { region: "eu", where: { count: 3 }, other: "x" } };
    const made = modern(1, "tools/call", params);
    const fine = { ...made.headers, "mcp-param-region": "eu", "mcp-param-count": "3.0" };
    expect(rig.call(rig.request({ ...made, headers: fine }).key).notes).toEqual([]);
    const wrong = { ...made.headers, "mcp-param-region": "us" };
    expect(rig.call(rig.request({ ...made, headers: wrong }).key).notes.map((note) => note.text)).toEqual([
      'arguments.region is "eu", but the header field Mcp-Param-Region says "us"',
      'arguments.where.count is "3", but the header field Mcp-Param-Count is missing',
    ]);
  });

  it("expects no Mcp-Param fields of a tool whose declarations are against the rules", () => {
    const rig = new Rig();
    const properties = {
      region: { type: "string", "x-mcp-header": "Region" },
      where: { type: "string", "x-mcp-header": "region" },
    };
    const tool = { name: "find", inputSchema: { type: "object", properties } };
    rig.request(modern(0, "tools/list")).json(result(0, { tools: [tool] }));
    const call = rig.request(modern(1, "tools/call", { name: "find", arguments: { region: "eu" } }));
    expect(rig.call(call.key).notes).toEqual([]);
  });

  it("tells no secrets in notes, where nothing but their names gives them away", () => {
    const rig = new Rig();
    const properties = {
      apiKey: { type: "string", "x-mcp-header": "Key-Of-Mine" },
      other: { type: "string", "x-mcp-header": "Password" },
    };
    const tool = { name: "find", inputSchema: { type: "object", properties } };
    rig.request(modern(0, "tools/list")).json(result(0, { tools: [tool] }));
    const made = modern(1, "tools/call", { name: "find", arguments: { apiKey: "hunter", other: "hunter" } });
    const headers = {
      ...made.headers,
      "mcp-param-key-of-mine": "hunter-2",
      "mcp-param-password": "hunter-3",
    };
    const { notes } = rig.call(rig.request({ ...made, headers }).key);
    expect(notes.map(({ code }) => code)).toEqual(["header_mismatch", "header_mismatch"]);
    expect(JSON.stringify(notes)).not.toContain("hunter");
  });

  it("shows no start of a key that is cut off", () => {
    const cut = (text: string) => wordsOfError({ error: { code: undefined, message: text } } as never);
    const key = "sk-0123456789abcdefghijklmnop";
    expect(cut(`${"x".repeat(180)} ${key} more`)).toBe(`${"x".repeat(180)} …`);
    expect(cut("x".repeat(300))).toBe(`${"x".repeat(200)}…`);
    expect(cut(`key ${key}`)).toBe(`key ${key}`);
  });
});

describe("the tools of a session", () => {
  it("are those of the last list, with all its pages", () => {
    const { rig, headers } = opened();
    const schema = { type: "object", properties: { a: { type: "number" } } };
    const tool = (name: string, annotations = {}): object => ({
      name,
      description: `does ${name}`,
      inputSchema: schema,
      annotations,
    });
    const list = (params: object, tools: readonly object[]): FakeExchange =>
      rig.post(request(1, "tools/list", params), { headers }).json(result(1, { tools }));
    list({}, [tool("old")]);
    list({}, [tool("read", { readOnlyHint: true }), tool("write")]);
    const { entry } = list({ cursor: "c" }, [
      tool("again", { idempotentHint: true, destructiveHint: false, title: "Again" }),
    ]);
    expect(rig.onlySession.tools?.count).toBe(3);
    expect(rig.view.session("s1")?.tools).toMatchObject([
      { name: "read", readOnly: true, idempotent: false, destructive: false, inputSchema: schema },
      { name: "write", readOnly: false, idempotent: false, destructive: true, description: "does write" },
      { name: "again", readOnly: false, idempotent: true, destructive: false, title: "Again" },
    ]);
    expect(rig.view.tool(entry, "write")?.bytes).toBe(JSON.stringify(tool("write")).length);
    expect(rig.view.tool(entry, "old")).toBeUndefined();
    const call = rig.post(toolCall(2, "write"), { headers });
    expect(rig.view.call(call.key, fakeHider())?.tool).toMatchObject({ name: "write" });
  });

  it("are noted when they are large, and not kept without bound", () => {
    const { rig, headers } = opened();
    const tools = Array.from({ length: 8 }, (_, i) => ({ name: `t${i}`, description: "x".repeat(50_000) }));
    const call = rig.post(request(1, "tools/list"), { headers }).json(result(1, { tools }));
    expect(rig.call(call.key).notes).toMatchObject([{ code: "large_tools_list" }]);
    expect(rig.onlySession.tools).toMatchObject({ count: 8 });
    expect(rig.view.session("s1")?.tools).toHaveLength(5);
  });
});

describe("what cannot be read as a whole", () => {
  const long = "x".repeat(5_000);

  it("is read at its start: a request that is longer than what is kept", () => {
    const { rig, headers } = opened();
    // The SDKs write the id last, so it was not kept.
    const body = JSON.stringify({
      method: "tools/call",
      params: { name: "say", arguments: { long } },
      id: 3,
    });
    const call = rig.post(body, { headers, maxKept: 1_000 });
    expect(rig.view.summary(call.entry)).toMatchObject({ method: "tools/call", name: "say" });
    expect(rig.call(call.key).notes).toMatchObject([{ code: "not_read" }]);
    call.json(result(3, text("ok")));
    expect(rig.call(call.key)).toMatchObject({ outcome: "ok" });
  });

  it("is read at its start: an answer that is longer than what is kept", () => {
    const { rig, headers } = opened();
    const made = { headers, maxKept: 1_000 };
    const fine = rig.post(toolCall(1, "say"), made);
    fine.json(`{"result":{"content":[{"type":"text","text":"${long}"}]},"jsonrpc":"2.0","id":1}`);
    expect(rig.call(fine.key)).toMatchObject({ outcome: "ok", notes: [] });
    const failed = rig.post(toolCall(2, "say"), made);
    failed.json(`{"jsonrpc":"2.0","id":2,"result":{"isError":true,"content":[{"text":"${long}"}]}}`);
    expect(rig.call(failed.key)).toMatchObject({ outcome: "tool_error" });
    const wrong = rig.post(toolCall(3, "say"), made);
    wrong.json(`{"jsonrpc":"2.0","id":3,"error":{"code":-5,"message":"no","data":"${long}"}}`);
    expect(rig.call(wrong.key)).toMatchObject({ outcome: "error", error: { code: -5, message: "no" } });
  });

  it("is read at its start: an event that is longer than what is kept", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "say"), { headers }).events();
    const whole = JSON.stringify({ ...result(1, text(long)) });
    call.event(whole.slice(0, 500), 5, { isCut: true, bytes: whole.length }).end();
    expect(rig.call(call.key)).toMatchObject({ outcome: "ok", responseBytes: whole.length });
  });

  it("is told by the header fields alone, if nothing of a request is kept", () => {
    const rig = new Rig();
    const exchange = rig.begin(modern(1, "tools/call", { name: "say" }));
    exchange.entry.requestBody = { ...noBody, bytes: 9, missed: true };
    rig.view.requested(exchange.entry);
    expect(rig.view.summary(exchange.entry)).toEqual({ method: "tools/call", name: "say", session: "s1" });
    exchange.json(result(1));
  });

  it.each([
    ["gzip", "gzip", gzipSync],
    ["br", "br", brotliCompressSync],
    ["deflate", "deflate", deflateSync],
    ["deflate without a head of zlib", "deflate", deflateRawSync],
  ])("is decoded if it is encoded: %s", (_name, coding, encode) => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "add"), { headers });
    call.json(encode(JSON.stringify(result(1, text("3")))), { headers: { "content-encoding": coding } });
    expect(rig.view.call(call.key, fakeHider())).toMatchObject({
      outcome: "ok",
      result: JSON.stringify(text("3")),
    });
  });

  it("is read at its end if it is an event stream that is encoded", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "add", {}, { progressToken: 1 }), { headers });
    const events = [progress(1, 1), progress(1, 2), result(1, text("3"))];
    const stream = events.map((message) => `event: message\ndata: ${JSON.stringify(message)}\n\n`).join("");
    const encoded = { "content-type": "text/event-stream", "content-encoding": "gzip" };
    call.json(gzipSync(`: keepalive\n\n${stream}`), { headers: encoded });
    const detail = rig.view.call(call.key, fakeHider());
    expect(detail).toMatchObject({ outcome: "ok", counts: { progress: 2 }, notes: [] });
    expect(detail?.timeline.at(-1)?.message).toBe(JSON.stringify(result(1, text("3"))));
  });

  it("is said to be so if events were left out because too much came at once", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "add"), { headers }).events();
    call.entry.responseBody = { ...noBody, bytes: 90, missed: true };
    call.end();
    expect(rig.call(call.key)).toMatchObject({ outcome: "ok", notes: [{ code: "not_read" }] });
  });

  it("is only counted if its encoding is not known, or if it is a bomb", () => {
    const { rig, headers } = opened();
    const strange = rig.post(toolCall(1, "add"), { headers });
    strange.json("???", { headers: { "content-encoding": "x" } });
    const bomb = rig.post(toolCall(2, "add"), { headers });
    bomb.json(gzipSync(Buffer.alloc(50_000_000)), { headers: { "content-encoding": "gzip" } });
    for (const { key } of [strange, bomb])
      expect(rig.call(key)).toMatchObject({ outcome: "ok", notes: [{ code: "not_read" }] });
  });

  it("is no answer if it is no JSON-RPC", () => {
    const { rig, headers } = opened();
    const call = rig.post(toolCall(1, "add"), { headers }).json("<h1>Hello</h1>");
    expect(rig.call(call.key)).toMatchObject({ outcome: "cut", notes: [{ code: "no_answer" }] });
  });
});
