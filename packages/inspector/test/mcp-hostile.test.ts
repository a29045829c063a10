import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { maxBodyBytes, unpackedPerSecond } from "../src/limits.js";
import {
  failure,
  fakeHider,
  initialize,
  notification,
  openSession,
  request,
  result,
  Rig,
  toolCall,
} from "./support/mcp-rig.js";

// Both ends are strangers to the inspector: a visitor sends any bytes, and so may a service. What they send
// must cost time and memory in proportion, break nothing, and say nothing about others' calls.

const deep = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

const requests: Readonly<Record<string, string>> = {
  "half a body of open arrays": "[".repeat(maxBodyBytes),
  "an array that is nested a hundred thousand deep": deep(100_000),
  "a request whose params are nested as deep": `{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":${deep(100_000)}}}`,
  "an initialize whose params are nested as deep": `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"a":${deep(100_000)}}}`,
  "members called __proto__":
    '{"jsonrpc":"2.0","id":1,"method":"initialize","__proto__":{"id":2},"params":{"__proto__":{"clientInfo":{}},' +
    '"capabilities":{"__proto__":{}},"clientInfo":{"__proto__":1,"name":"__proto__"}}}',
  "an id that is an object": '{"jsonrpc":"2.0","id":{"a":1},"method":"m"}',
  "an id that is a very long text": JSON.stringify(request("x".repeat(200_000), "m")),
  "a method that is a very long text": JSON.stringify(request(1, "m".repeat(200_000))),
  "a name that is no text": JSON.stringify(request(1, "tools/call", { name: { a: 1 } })),
  "params that are a list": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1,2]}',
  "numbers beyond all bounds":
    '{"jsonrpc":"2.0","id":1e999,"method":"m","params":{"_meta":{"progressToken":1e400}}}',
  "a list of numbers": JSON.stringify(new Array(100_000).fill(1)),
  "nothing at all": "",
  "bytes that are no text": Buffer.from([0xff, 0xfe, 0x00, 0x22]).toString("latin1"),
  "JSON with quotes and backslashes at its end":
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\\\\\\"\\',
};

describe("a visitor cannot break the reading of messages", () => {
  it.each(Object.entries(requests))("with %s", (_, body) => {
    for (const maxKept of [Infinity, Math.ceil(body.length / 2), 7]) {
      const rig = new Rig();
      const headers = openSession(rig);
      const exchange = rig.post(body, { headers, maxKept });
      exchange.json(body);
      for (const key of rig.view.callsOf(exchange.entry)) {
        expect(JSON.stringify(rig.view.call(key, fakeHider())).length).toBeLessThan(6 * body.length + 10_000);
      }
      expect(JSON.stringify(rig.view.sessions()).length).toBeLessThan(5_000);
      expect(JSON.stringify(rig.view.summary(exchange.entry) ?? {}).length).toBeLessThan(2_000);
      // The session works as before.
      const next = rig.post(toolCall("next", "add"), { headers }).json(result("next"));
      expect(rig.call(next.key).outcome).toBe("ok");
    }
    expect(({} as Record<string, unknown>)["id"]).toBeUndefined();
  });
});

describe("a service cannot break the reading of messages", () => {
  const events: Readonly<Record<string, string>> = {
    ...requests,
    "an answer to a request that nobody made": JSON.stringify(result("other")),
    "an error that is a text": '{"jsonrpc":"2.0","id":1,"error":"no"}',
    "progress of nothing": JSON.stringify(
      notification("notifications/progress", { progress: "much", total: {} }),
    ),
    "progress for an object": JSON.stringify(notification("notifications/progress", { progressToken: {} })),
    "a log with data nested a hundred thousand deep": `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${deep(100_000)}}}`,
    "a request for an answer with an id of null":
      '{"jsonrpc":"2.0","id":null,"method":"sampling/createMessage"}',
    "tools that are no tools":
      '{"jsonrpc":"2.0","id":2,"result":{"tools":[1,null,{"name":5},{"name":"__proto__"},{"name":"a","inputSchema":7,"annotations":[]}]}}',
    "tools with a schema nested a hundred thousand deep": `{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a","inputSchema":{"a":${deep(50_000)}}}]}}`,
    "input that is required of nobody":
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":1,"__proto__":{"method":"m"}}}}',
  };
  it.each(Object.entries(events))("with %s", (_, data) => {
    const rig = new Rig();
    const headers = openSession(rig);
    const call = rig.post(toolCall(1, "add", {}, { progressToken: 1 }), { headers }).events();
    const list = rig.post(request(2, "tools/list"), { headers }).events();
    for (const exchange of [call, list]) {
      exchange.event(data, 1);
      exchange.event(data.slice(0, data.length / 2), 2, { isCut: true });
      exchange.event(data, 3, { event: "endpoint" });
    }
    rig.request({ method: "GET", headers }).events().event(data, 1).end();
    call.end();
    list.end();
    JSON.stringify(rig.view.session("s1"));
    JSON.stringify(rig.view.call(call.key, fakeHider()));
    const next = rig.post(toolCall("next", "add"), { headers }).json(result("next"));
    expect(rig.call(next.key).outcome).toBe("ok");
  });

  it("with a hundred thousand reports of progress: the timeline stays short, the count is right", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const call = rig.post(toolCall(1, "count", {}, { progressToken: 1 }), { headers }).events();
    for (let progress = 1; progress <= 100_000; progress++) {
      const data = JSON.stringify(notification("notifications/progress", { progressToken: 1, progress }));
      rig.view.event(call.entry, {
        ...{ atMs: progress, event: "", id: undefined, data, isComment: false, bytes: 1, isCut: false },
      });
    }
    call.event(result(1), 200_000);
    const detail = rig.view.call(call.key, fakeHider());
    expect(detail?.counts.progress).toBe(100_000);
    expect(detail?.timeline).toHaveLength(400);
    expect(detail?.timeline[0]?.kind).toBe("request");
    expect(detail?.timeline.at(-1)?.kind).toBe("result");
    expect(rig.grown.get(call.entry.id)).toBeLessThan(200_000);
  });
});

describe("what comes out of order", () => {
  it("an answer before the end of the request belongs to it", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const early = rig.begin({ headers, body: toolCall(1, "add") });
    early.events().event(result(1), 3);
    rig.view.requested(early.entry);
    expect(rig.call(early.key)).toMatchObject({ outcome: "ok", durationMs: 3 });
    expect(rig.onlySession.calls).toBe(2);
  });

  it("an answer to a request of which only a part is there is none of its own", () => {
    const rig = new Rig();
    const refused = rig.begin({ body: '{"jsonrpc":"2.0","id":1,"meth' });
    refused.json({ error: "too large" }, { status: 413 });
    expect(rig.view.callsOf(refused.entry)).toEqual([]);
    expect(rig.view.summary(refused.entry)).toBeUndefined();
  });

  it("what comes for an exchange that has left the ring is not read", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const call = rig.post(toolCall(1, "wait"), { headers }).events();
    rig.forget(call);
    call.event(request(5, "sampling/createMessage"), 1).event(result(1), 2).end();
    rig.post(result(5), { headers }).head(202).end();
    rig
      .post(notification("notifications/cancelled", { requestId: 1 }), { headers })
      .head(202)
      .end();
    const stream = rig.request({ method: "GET", headers }).events();
    stream.event(result(1), 3);
    expect(rig.onlySession).toMatchObject({ calls: 1, open: 0, errors: 0 });
    expect(rig.view.call(call.key, fakeHider())).toBeUndefined();
    const never = rig.begin({ headers, body: toolCall(2, "wait") });
    rig.forget(never);
    rig.view.requested(never.entry);
    never.json(result(2));
    expect(rig.onlySession).toMatchObject({ calls: 1, open: 0 });
  });

  it("an exchange that leaves the ring because of what was read of it leaves nothing behind", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    rig.onGrow = (entry) => {
      if (rig.entries.delete(entry.id)) rig.view.gone(entry);
    };
    const batch = Array.from({ length: 200 }, (_, id) => request(id, "m"));
    const one = rig.post(batch, { headers });
    rig.onGrow = () => {};
    const call = rig.post(toolCall(1, "add", {}, { progressToken: 1 }), { headers }).events();
    rig.onGrow = (entry) => {
      if (rig.entries.delete(entry.id)) rig.view.gone(entry);
    };
    call.event(notification("notifications/progress", { progressToken: 1, progress: 1 }));
    call.event(result(1)).end();
    one.json([]);
    expect(rig.onlySession).toMatchObject({ calls: 1, open: 0, errors: 0 });
  });

  it("two requests with one id are answered each on its own exchange", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const [first, second] = [1, 2].map(() => rig.post(toolCall(1, "add"), { headers }));
    first?.json(failure(1, -1, "first"));
    expect(rig.onlySession).toMatchObject({ open: 1, errors: 1 });
    second?.json(result(1));
    expect([first, second].map((one) => rig.call(one?.key ?? "").outcome)).toEqual(["error", "ok"]);
  });

  it("the same answer twice counts once", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const call = rig.post(toolCall(1, "add"), { headers }).events();
    call
      .event(result(1), 1)
      .event(failure(1, -1, "no"), 2)
      .end();
    expect(rig.call(call.key)).toMatchObject({ outcome: "ok", durationMs: 1 });
    expect(rig.timeline(call.key)).toHaveLength(2);
  });
});

// A visitor who is let in must not be able to hold up the client: what an exchange costs may not grow with
// what the session has seen.
it("a session of many calls costs no more for each of them", { timeout: 60_000 }, () => {
  const spent = (calls: number): number => {
    const rig = new Rig();
    const headers = openSession(rig);
    const start = performance.now();
    for (let id = 1; id <= calls; id++) {
      const call = rig.post(toolCall(id, "add", {}, { progressToken: id }), { headers }).events();
      call.event(request(`s${id}`, "ping"), 1);
      rig.view.sessions();
      rig.view.summary(call.entry);
      if (id % 2 === 0) call.event(result(id), 2).end();
    }
    return (performance.now() - start) / calls;
  };
  spent(500);
  // With a quadratic step, 16 times the calls would take 16 times as long for each.
  const [few, many] = [Math.min(spent(500), spent(500)), Math.min(spent(8_000), spent(8_000))];
  expect(many).toBeLessThan(6 * few + 0.05);
});

// Initializes cost nothing to a visitor. They may not push memory up.
it("a flood of sessions stays within 200, and of ids within what each is cut to", () => {
  const rig = new Rig();
  for (let i = 0; i < 3_000; i++) {
    const id = `${i}`.padEnd(5_000, "x");
    rig
      .post(initialize(i, { name: id }), { path: `/${id}` })
      .head(200, { "mcp-session-id": id })
      .end();
    rig
      .post(toolCall(1, "add"), { headers: { "user-agent": id }, path: `/${id}` })
      .head(401)
      .end();
  }
  expect(rig.sessions).toHaveLength(200);
  expect(JSON.stringify(rig.sessions).length).toBeLessThan(500_000);
});

// A few hundred bytes become 256 KiB that take milliseconds to be read, and nobody has been let in for them.
it("a flood of packed requests is read as far as there is time for it", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const rig = new Rig();
  const one = JSON.stringify(request(1, "ping"));
  const packed = gzipSync(one.padEnd(maxBodyBytes));
  const headers = { "content-encoding": "gzip" };
  const read = (): number => {
    const posts = Array.from({ length: 200 }, () => rig.post(packed, { headers }));
    return posts.filter(({ entry }) => rig.view.summary(entry) !== undefined).length;
  };
  expect(read()).toBe(unpackedPerSecond.burst / maxBodyBytes);
  vi.advanceTimersByTime(1_000);
  expect(read()).toBe(unpackedPerSecond.sustained / maxBodyBytes);
  expect(rig.view.summary(rig.post(one).entry)).toMatchObject({ method: "ping" });
});
