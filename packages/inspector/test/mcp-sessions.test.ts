import { describe, expect, it } from "vitest";
import {
  clientInfo,
  fakeHider,
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

describe("sessions of the earlier era", () => {
  it("are found by Mcp-Session-Id, and know both sides", () => {
    const rig = new Rig();
    const headers = openSession(rig, "one");
    rig.post(notification("notifications/initialized"), { headers }).head(202).end();
    rig.post(toolCall(1, "add"), { headers }).json(result(1, text("3")));
    expect(rig.onlySession).toEqual({
      key: "s1",
      era: "legacy",
      path: "/mcp",
      id: "one",
      client: clientInfo,
      server: { name: "a server", version: "2.0" },
      protocolVersion: "2025-11-25",
      clientCapabilities: ["sampling"],
      serverCapabilities: ["tools", "logging"],
      startedAt: 1_000,
      lastAt: 1_005,
      calls: 2,
      errors: 0,
      open: 0,
    });
  });

  it("are not mixed up: another id, and the same id at another path, are others", () => {
    const rig = new Rig();
    openSession(rig, "one");
    const two = openSession(rig, "two");
    rig.post(toolCall(1, "add"), { headers: two }).json(result(1));
    rig.post(toolCall(1, "add"), { headers: two, path: "/other?key=1" }).json(result(1));
    expect(rig.sessions.map(({ id, path, calls }) => [id, path, calls])).toEqual([
      ["one", "/mcp", 1],
      ["two", "/mcp", 2],
      ["two", "/other", 1],
    ]);
  });

  it("end with DELETE, if the server allows it", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    rig.request({ method: "DELETE", headers }).head(405).end();
    expect(rig.onlySession.endedAt).toBeUndefined();
    rig.request({ method: "DELETE", headers, startedAt: 2_000 }).head(200).end();
    expect(rig.onlySession.endedAt).toBe(2_001);
  });

  it("that the server does not know any more are said to be so", () => {
    const rig = new Rig();
    const headers = { "mcp-session-id": "from before" };
    const call = rig.post(toolCall(1, "add"), { headers });
    const error = { jsonrpc: "2.0", id: null, error: { code: -32_001, message: "Session not found" } };
    call.json(error, { status: 404 });
    expect(rig.call(call.key)).toMatchObject({
      outcome: "error",
      error: { code: -32_001, message: "Session not found" },
      notes: [{ code: "unknown_session" }],
    });
  });

  it("of a server without sessions are one for each client", () => {
    const rig = new Rig();
    const open = (agent: string, info = clientInfo): void => {
      rig.post(initialize(0, info), { headers: { "user-agent": agent } }).json(initialized());
    };
    open("one");
    rig.post(toolCall(1, "add"), { headers: { "user-agent": "one" } }).json(result(1));
    // Some hosts open anew for each call.
    open("one");
    rig.post(toolCall(1, "add"), { headers: { "user-agent": "one" } }).json(result(1));
    open("two");
    rig.post(toolCall(1, "add"), { headers: { "user-agent": "two" }, user: "ada" }).json(result(1));
    open("one", { name: "another host", version: "1.0" });
    rig.post(toolCall(1, "add"), { headers: { "user-agent": "one" } }).json(result(1));
    const seen = rig.sessions.map(({ client, user, calls }) => [client?.name, user, calls]);
    expect(seen).toEqual([
      ["a host", undefined, 4],
      ["a host", undefined, 1],
      [undefined, "ada", 1],
      ["another host", undefined, 2],
    ]);
    expect(rig.changes.flatMap(({ gone }) => gone)).toEqual(["s2"]);
  });

  it("are told what has opened them after the exchange is gone", () => {
    const rig = new Rig();
    const opening = rig.post(initialize()).json(initialized(), { headers: { "mcp-session-id": "one" } });
    rig.forget(opening);
    const later = rig.post(toolCall(1, "add"), { headers: { "mcp-session-id": "one" } });
    expect(rig.view.initializeOf(later.entry)).toEqual({
      params: { protocolVersion: "2025-11-25", capabilities: { sampling: {} }, clientInfo },
      protocolVersion: "2025-11-25",
    });
    expect(rig.onlySession).toMatchObject({ calls: 1, server: { name: "a server" } });
  });
});

describe("the transport HTTP with SSE", () => {
  it("has one session for a stream, with the answers to what is posted", () => {
    const rig = new Rig();
    const stream = rig.request({ method: "GET", path: "/sse" }).events();
    stream.event("/messages?sessionId=1", 1, { event: "endpoint" });
    const path = "/messages?sessionId=1";
    rig.post(initialize(), { path }).head(202).end();
    stream.event(initialized(), 10);
    const call = rig.post(toolCall(1, "add"), { path, startedAt: 1_020 }).head(202).end();
    expect(rig.call(call.key).outcome).toBe("open");
    stream.event(result(1, text("3")), 50);
    expect(rig.call(call.key)).toMatchObject({ outcome: "ok", durationMs: 30 });
    const cut = rig.post(toolCall(2, "add"), { path, startedAt: 1_060 }).head(202).end();
    stream.end(100);
    expect(rig.call(cut.key)).toMatchObject({ outcome: "cut", notes: [{ code: "no_answer" }] });
    expect(rig.onlySession).toMatchObject({
      path: "/sse",
      calls: 3,
      errors: 1,
      server: { name: "a server" },
    });
  });
});

describe("sessions of revision 2026-07-28", () => {
  it("are all of one client and user", () => {
    const rig = new Rig();
    const discovered = {
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {} },
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "a server", title: "A server" } },
    };
    rig.request(modern(0, "server/discover")).json(result(0, discovered));
    rig.request(modern(1, "tools/list")).json(result(1, { tools: [] }));
    rig.request({ ...modern(2, "tools/list"), user: "ada%20b" }).json(result(2, { tools: [] }));
    expect(rig.sessions).toMatchObject([
      {
        era: "modern",
        calls: 2,
        client: clientInfo,
        server: { name: "a server", title: "A server" },
        protocolVersion: "2026-07-28",
        clientCapabilities: ["elicitation"],
        serverCapabilities: ["tools"],
        tools: { count: 0, bytes: 0 },
      },
      { era: "modern", calls: 1, user: "ada b" },
    ]);
  });

  it("of a client that does not say who it is go by its User-Agent", () => {
    const rig = new Rig();
    const anonymous = (agent: string): void => {
      const body = request(1, "tools/list");
      const headers = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/list",
        "user-agent": agent,
      };
      rig.post(body, { headers }).json(result(1));
    };
    for (const agent of ["one", "two", "one"]) anonymous(agent);
    expect(rig.sessions.map(({ calls }) => calls)).toEqual([1, 2]);
  });
});

describe("sessions in general", () => {
  it("are told of when they change, and kept in what was told until then", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const before = rig.onlySession;
    expect(rig.onlySession).toBe(before);
    rig.changes.length = 0;
    const call = rig.post(toolCall(1, "add"), { headers });
    expect(rig.changes).toEqual([{ keys: ["s1"], gone: [] }]);
    // Nobody has looked: what comes next is no news.
    call.events().event(notification("notifications/progress"));
    expect(rig.changes).toHaveLength(1);
    expect(rig.onlySession).toMatchObject({ calls: 2, open: 1 });
    rig.forget(call);
    expect(rig.changes).toHaveLength(2);
    expect(rig.onlySession).toMatchObject({ calls: 1, open: 0 });
  });

  it("are 200 at most: the one that was quiet longest goes", () => {
    const rig = new Rig();
    const first = openSession(rig, "first");
    openSession(rig, "quiet");
    for (let i = 0; i < 198; i++) openSession(rig, `id ${i}`);
    rig.post(toolCall(1, "add"), { headers: first });
    const late = openSession(rig, "late");
    expect(rig.sessions.length).toBe(200);
    expect(rig.sessions.map(({ id }) => id)).not.toContain("quiet");
    expect(rig.changes.flatMap(({ gone }) => gone)).toEqual(["s2"]);
    // What was known of the session goes with it.
    const quiet = [...rig.entries.values()][1];
    expect(quiet && rig.view.callsOf(quiet)).toEqual([]);
    expect(quiet && rig.view.summary(quiet)).toEqual({ method: "initialize" });
    expect(rig.view.call("2.0", { text: (given) => given, count: 0 })).toBeUndefined();
    expect(late).toBeDefined();
  });

  it("keep their tools within a bound for all: those that were quiet longest lose them", () => {
    const rig = new Rig();
    const tool = { name: "large", description: "x".repeat(250_000), inputSchema: {} };
    for (let i = 0; i < 20; i++) {
      const headers = openSession(rig, `id ${i}`);
      rig.post(request(1, "tools/list"), { headers }).json(result(1, { tools: [tool] }));
    }
    const kept = rig.sessions.filter(({ tools }) => tools !== undefined).map(({ id }) => id);
    expect(kept).toEqual(Array.from({ length: 16 }, (_, i) => `id ${i + 4}`));
  });

  it("that a replay has opened are marked", () => {
    const rig = new Rig();
    rig.post(initialize(), { replayOf: 7 }).json(initialized(), { headers: { "mcp-session-id": "r" } });
    expect(rig.onlySession.replay).toBe(true);
  });

  it("that a replay has opened know the tools of the session that is repeated", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const add = { name: "add", inputSchema: {}, annotations: { readOnlyHint: true } };
    rig.post(request(1, "tools/list"), { headers }).json(result(1, { tools: [add] }));
    let replayOf = rig.post(toolCall(2, "add"), { headers }).json(result(2)).entry.id;
    for (const id of ["first", "of the first"]) {
      const own = { "mcp-session-id": id };
      rig.post(initialize(), { replayOf }).json(initialized(), { headers: own });
      const { entry } = rig.post(toolCall(2, "add"), { headers: own, replayOf }).json(result(2));
      replayOf = entry.id;
      expect(rig.view.call(`${entry.id}.0`, fakeHider())?.tool, id).toMatchObject({ readOnly: true });
      expect(rig.view.tool(entry, "add"), id).toMatchObject({ readOnly: true });
      expect(rig.sessions.at(-1), id).not.toHaveProperty("tools");
    }
  });

  it("are gone after clear, and what is still open harms nothing", () => {
    const rig = new Rig();
    const headers = openSession(rig);
    const open = rig.post(toolCall(1, "add"), { headers }).events();
    rig.view.clear();
    open.event(result(1)).end();
    expect(rig.sessions).toEqual([]);
    expect(rig.changes.at(-1)?.gone).toEqual(["s1"]);
  });

  it("hide secrets in what the two sides say of themselves", () => {
    const rig = new Rig();
    rig.post(initialize(0, { name: "my secret host" })).json(initialized(), {
      headers: { "mcp-session-id": "secret" },
    });
    expect(rig.onlySession).toMatchObject({ id: "[hidden]", client: { name: "my [hidden] host" } });
  });
});
