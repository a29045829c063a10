import { createService } from "mcp-tunnel-client";
import type { Service } from "mcp-tunnel-client";
import { fieldPairs } from "mcp-tunnel-protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import type { Captured } from "../../src/captured.js";
import { captured } from "../support/captured.js";
import { mcpOf, replayed, startReplays, textOf } from "../support/replay-rig.js";

const json = (value: unknown, headers: Readonly<Record<string, string>> = {}) =>
  new Response(JSON.stringify(value), { headers: { "Content-Type": "application/json", ...headers } });
const eventStream = (body: BodyInit) =>
  new Response(body, { headers: { "Content-Type": "text/event-stream" } });
const initialized = (id: unknown) => ({ jsonrpc: "2.0", id, result: { protocolVersion: "2025-06-18" } });
const anySession = { "Mcp-Session-Id": "new" };

interface Got {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: { readonly id?: unknown; readonly method?: string; readonly [name: string]: unknown };
}

/** A server of the earlier era that answers as a test wants it, and all that it got. */
function server(answer: (got: Got) => Response | Promise<Response>) {
  const got: Got[] = [];
  const service = createService({
    async fetch(request) {
      const text = await request.text();
      const headers = Object.fromEntries(request.headers);
      const one = {
        method: request.method,
        headers,
        message: (text === "" ? {} : JSON.parse(text)) as Got["message"],
      };
      got.push(one);
      return answer(one);
    },
  });
  return { service, got };
}

const call = (headers: string[] = []): Captured =>
  captured({
    method: "POST",
    path: "/mcp",
    headers: [
      ...["Authorization", "Bearer x", "Accept", "application/json", "Content-Type", "application/json"],
      ...["Mcp-Session-Id", "old", "MCP-Protocol-Version", "2025-11-25", "Last-Event-ID", "7"],
      ...headers,
    ],
    body: '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"add"}}',
  });

describe("a session of its own", () => {
  const closing = closingAfterEach();
  afterEach(() => vi.useRealTimers());

  const params = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "host", version: "1" },
  };
  const start = (service: Service, isKnown = true) =>
    closing(
      startReplays(
        service,
        mcpOf("legacy", {
          initializeOf: () => (isKnown ? { params, protocolVersion: "2025-11-25" } : undefined),
        }),
      ),
    );

  const wellDone = ({ method, message }: Got): Response => {
    if (method === "DELETE") return new Response(null, { status: 200 });
    if (message.method === "initialize") return json(initialized(message.id), anySession);
    if (message.id === undefined) return new Response(null, { status: 202 });
    return json({ jsonrpc: "2.0", id: message.id, result: {} });
  };

  it("has the visitor's introduction and authorization, and the version that the server has chosen", async () => {
    const { service, got } = server(wellDone);
    const replays = start(service);
    await replayed(replays, call());
    await vi.waitFor(() => expect(replays.replayer.open).toBe(0));
    expect(got.map(({ method, message }) => [method, message.method])).toEqual([
      ["POST", "initialize"],
      ["POST", "notifications/initialized"],
      ["POST", "tools/call"],
      ["DELETE", undefined],
    ]);
    expect(got[0]?.message).toMatchObject({ params });
    const sessions = got.map(({ headers }) => [headers["mcp-session-id"], headers["mcp-protocol-version"]]);
    expect(sessions).toEqual([
      [undefined, undefined],
      ...Array.from({ length: 3 }, () => ["new", "2025-06-18"]),
    ]);
    expect(got.every(({ headers }) => headers["authorization"] === "Bearer x")).toBe(true);
    expect(got.some(({ headers }) => "last-event-id" in headers)).toBe(false);
  });

  it("is opened in the inspector's name if nobody knows how the visitor has introduced himself", async () => {
    const { service, got } = server(wellDone);
    await replayed(start(service, false), call());
    expect(got[0]?.message).toMatchObject({
      params: { protocolVersion: "2025-11-25", clientInfo: { name: "mcp-tunnel-inspector" } },
    });
  });

  it("is not begun for a visitor who has put an Mcp-Session-Id into any request", async () => {
    // The user sends a GET again that changes nothing, and its path would get a POST that nobody has read.
    const { service, got } = server(() => json({}));
    const mcp = mcpOf("legacy", { summary: () => undefined, era: () => undefined });
    const replays = closing(startReplays(service, mcp));
    const named = (method: string) =>
      captured({ method, path: "/orders/7", headers: ["Mcp-Session-Id", "x"] });
    await replayed(replays, named("GET"));
    expect(got.map(({ method }) => method)).toEqual(["GET"]);
    const again = replays.replayer.replay(named("DELETE"), {});
    await expect(again).rejects.toMatchObject({ status: 409, code: "needs_confirmation" });
    expect(got.length).toBe(1);
  });

  it("is begun for the stream and the end of a session where a server of MCP has answered", async () => {
    const { service, got } = server(wellDone);
    const mcp = mcpOf("legacy", { summary: () => undefined });
    const replays = closing(startReplays(service, mcp));
    const entry = captured({ method: "DELETE", path: "/mcp?a=1", headers: ["Mcp-Session-Id", "x"] });
    await replays.replayer.replay(entry, {});
    expect(got.map(({ method }) => method).slice(0, 2)).toEqual(["POST", "POST"]);
  });

  it("takes an answer from a stream that stays open", async () => {
    const { service } = server((got) =>
      got.message.method === "initialize"
        ? new Response(
            new ReadableStream({
              start: (stream) =>
                stream.enqueue(
                  Buffer.from(`: hi\n\ndata: ${JSON.stringify(initialized(got.message.id))}\n\n`),
                ),
            }),
            { headers: { "Content-Type": "text/event-stream", ...anySession } },
          )
        : wellDone(got),
    );
    expect((await replayed(start(service), call())).response?.status).toBe(200);
  });

  it.each<[string, (got: Got) => Response, RegExp]>([
    ["401", () => new Response("no", { status: 401 }), /answered with status 401/],
    [
      "an error",
      ({ message: { id } }) => json({ jsonrpc: "2.0", id, error: { code: -1, message: "a\u001b[2Jb" } }),
      /with an error: a[^\u001b]+b/,
    ],
    ["no message", () => new Response("<html>"), /without a result/],
    [
      "a redirect",
      () => new Response(null, { status: 307, headers: { Location: "http://127.0.0.1:1/" } }),
      /307/,
    ],
    [
      "nothing that can be read",
      () => new Response("x", { headers: { "Content-Encoding": "br" } }),
      /without a result/,
    ],
  ])("that is refused with %s is told at the call, which is not sent", async (_what, answer, expected) => {
    const { service, got } = server(answer);
    const replays = start(service);
    const replay = await replayed(replays, call());
    expect(replay.head.headers).toContain("old");
    expect(replay.over?.error?.message).toMatch(expected);
    expect(got.map(({ message }) => message.method)).toEqual(["initialize"]);
    await vi.waitFor(() => expect(replays.replayer.open).toBe(0));
    expect(replays.events.map(({ error }) => error?.code)).toEqual([undefined, "upstream_failed"]);
  });

  it("that does not begin can be cancelled", async () => {
    const { service } = server(async () => new Promise(() => {}));
    const replays = start(service);
    const replay = replays.replayer.replay(call(), { confirmed: true });
    const id = [...replays.recorder.ring.entries()].at(0)?.id ?? 0;
    expect(replays.replayer.cancel(id)).toBe(true);
    const answer = await replay;
    expect(replays.recorder.ring.find(answer.id)?.over?.error?.message).toMatch(/cancelled/);
    await vi.waitFor(() => expect(replays.replayer.open).toBe(0));
  });

  it("that does not begin ends after a minute", async () => {
    vi.useFakeTimers();
    const service: Service = {
      open: 0,
      accept: () => ({ onData() {}, onEnd() {}, onReset() {} }),
      close: async () => {},
    };
    const replays = start(service);
    const replay = replays.replayer.replay(call(), { confirmed: true });
    await vi.advanceTimersByTimeAsync(60_000);
    const { id } = await replay;
    expect(replays.recorder.ring.find(id)?.over?.error?.message).toMatch(/no answer within 60 s/);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("sends nothing more once the client is closed", async () => {
    const { service, got } = server((one) =>
      one.message.method === "tools/call" ? eventStream(new ReadableStream({})) : wellDone(one),
    );
    const replays = start(service);
    const { id } = await replays.replayer.replay(call(), { confirmed: true });
    await vi.waitFor(() => expect(replays.recorder.ring.find(id)?.response?.status).toBe(200));
    await replays.close();
    await vi.waitFor(() => expect(replays.replayer.open).toBe(0));
    expect(got.map(({ method }) => method)).toEqual(["POST", "POST", "POST"]);
  });

  it("answers pings and no more than 20 questions of the server", async () => {
    const asks = Array.from({ length: 100 }, (_, id) => ({
      jsonrpc: "2.0",
      id,
      method: id === 0 ? "ping" : "roots/list",
    }));
    const { service, got } = server((one) => {
      if (one.message.method !== "tools/call") return wellDone(one);
      return eventStream(
        [...asks, { jsonrpc: "2.0", id: 5, result: {} }]
          .map((ask) => `data: ${JSON.stringify(ask)}\n\n`)
          .join(""),
      );
    });
    const replays = start(service);
    await replayed(replays, call());
    await vi.waitFor(() => expect(replays.replayer.open).toBe(0));
    const answers = got.filter(({ message }) => "error" in message || "result" in message);
    expect(answers).toHaveLength(20);
    expect(answers[0]?.message).toEqual({ jsonrpc: "2.0", id: 0, result: {} });
    expect(answers[1]?.message).toMatchObject({ id: 1, error: { code: -32_601 } });
  });

  it("is not needed for what its transport or its kind forbids", () => {
    const { replayer } = startReplays(server(wellDone).service, mcpOf("legacy"));
    expect(replayer.whyNot(call())).toBe(undefined);
    const old = captured({ method: "POST", status: 202, body: call().requestBody.bufferOf() });
    expect(replayer.whyNot(old)).toMatch(/2024-11-05/);
    const { replayer: answering } = startReplays(
      server(wellDone).service,
      mcpOf("legacy", { summary: () => ({ method: "(answer)", session: "s1" }) }),
    );
    expect(answering.whyNot(call())).toMatch(/answers a request of the server/);
  });

  it("ends by the request itself if that is a DELETE", async () => {
    const { service, got } = server(wellDone);
    const replays = start(service);
    const original = captured({ method: "DELETE", headers: ["Mcp-Session-Id", "old"] });
    expect(replays.replayer.warning(original)).toBe(undefined);
    const replay = await replayed(replays, original);
    await vi.waitFor(() => expect(replays.replayer.open).toBe(0));
    expect(fieldPairs(replay.head.headers)).toEqual([["Mcp-Session-Id", "new"]]);
    expect([textOf(replay), got.map(({ method }) => method)]).toEqual(["", ["POST", "POST", "DELETE"]]);
  });
});
