import { describe, expect, it, vi } from "vitest";
import type { ExchangeObserver, RequestEvent, ServedTunnel } from "mcp-tunnel-client";
import { observeLines } from "../src/lines.js";
import type { LineMcp, OpenLine, RequestLine } from "../src/lines.js";

const json = ["Content-Type", "application/json"];
const sse = ["Content-Type", "text/event-stream; charset=utf-8"];

interface Exchange {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  /** Text as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly status?: number;
  readonly answerHeaders?: readonly string[];
  readonly answer?: unknown;
  readonly error?: RequestEvent["error"];
}

/** What one observer tells of the exchanges that pass it. */
class Told {
  readonly opened: OpenLine[] = [];
  readonly over: RequestLine[] = [];
  readonly #observe = observeLines({
    opened: (line) => this.opened.push(line),
    over: (line) => this.over.push(line),
  });
  #id = 0;

  /** An exchange up to its end, which it has yet to come to. */
  begin({
    method = "POST",
    path = "/mcp",
    headers = json,
    ...rest
  }: Exchange): () => RequestLine | undefined {
    const { body, status = 200, answerHeaders = json, answer, error } = rest;
    this.#id += 1;
    const observer = this.#observe({
      id: this.#id,
      head: { method, path, headers: [...headers] },
      tunnel: {} as ServedTunnel,
      streamId: this.#id,
      startedAtMs: 0,
    });
    if (observer === undefined) return () => undefined;
    for (const piece of pieces(body)) lend(observer, "onRequestData", piece);
    observer.onRequestEnd?.([]);
    observer.onHead?.({ status, headers: [...answerHeaders] }, answer === undefined && status !== 101);
    for (const piece of pieces(answer)) lend(observer, "onData", piece);
    return () => {
      if (error === undefined) observer.onEnd?.([]);
      observer.onOver?.({ method, path, status, durationMs: 1, requestBytes: 0, responseBytes: 0, error });
      return this.over.at(-1);
    };
  }

  pass(exchange: Exchange): RequestLine | undefined {
    return this.begin(exchange)();
  }

  mcp(exchange: Exchange): LineMcp | undefined {
    return this.pass(exchange)?.mcp;
  }
}

/** A body in two pieces, so that something is always cut. */
function pieces(body: unknown): Buffer[] {
  if (body === undefined) return [];
  const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return [bytes.subarray(0, 10), bytes.subarray(10)];
}

/** The bytes of a piece are others as soon as the observer has seen it. */
function lend(observer: ExchangeObserver, name: "onRequestData" | "onData", piece: Buffer): void {
  const lent = Buffer.from(piece);
  observer[name]?.(lent);
  lent.fill(0);
}

const rpc = (fields: object): object => ({ jsonrpc: "2.0", ...fields });
const call = rpc({ id: 1, method: "tools/call", params: { name: "add", arguments: {} } });
const event = (message: object): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`;

describe("a request of MCP", () => {
  it.each<[object, LineMcp]>([
    [call, { method: "tools/call", name: "add" }],
    [rpc({ method: "notifications/initialized" }), { method: "notifications/initialized" }],
    [
      rpc({ id: 1, method: "resources/read", params: { uri: "test://a" } }),
      { method: "resources/read", name: "test://a" },
    ],
    [
      rpc({ id: 0, method: "initialize", params: { clientInfo: { name: "claude-ai", version: "0.1.0" } } }),
      { method: "initialize", client: "claude-ai 0.1.0" },
    ],
    [rpc({ id: 0, method: "initialize", params: { clientInfo: 7 } }), { method: "initialize" }],
    [rpc({ id: 5, result: {} }), { method: "(answer)", isAnswer: true }],
    [
      rpc({ id: 5, error: { code: -1, message: "User\n  rejected" } }),
      { method: "(answer)", isAnswer: true, error: { code: -1, message: "User rejected" } },
    ],
  ])("%j", (body, mcp) => {
    expect(new Told().mcp({ body })).toEqual(mcp);
  });

  it("may be a batch, which is counted", () => {
    const body = [call, rpc({ id: 2, method: "ping" }), rpc({ id: 3, method: "ping" })];
    expect(new Told().mcp({ body })).toEqual({ method: "tools/call", name: "add", batch: 3 });
  });

  it.each<[string, Exchange]>([
    ["of another type", { body: call, headers: ["Content-Type", "text/plain"] }],
    ["of another method", { body: call, method: "PUT" }],
    ["that is no JSON", { body: "{" }],
    ["that is JSON of something else", { body: { method: "tools/call" } }],
    ["without a body", {}],
  ])("is none %s", (_, exchange) => {
    expect(new Told().mcp(exchange)).toBeUndefined();
  });

  it("that is too long to be read is named by its fields", () => {
    const body = rpc({ id: 1, method: "tools/call", params: { name: "add", text: "x".repeat(70_000) } });
    const headers = [...json, "Mcp-Method", "tools/call", "Mcp-Name", "add"];
    expect(new Told().mcp({ body, headers })).toEqual({ method: "tools/call", name: "add" });
    expect(new Told().mcp({ body })).toBeUndefined();
  });

  it("has no secret that only the line's end cuts off", () => {
    const name = `test://a?token=${"s3cret".repeat(2_000)}&b=${"%=".repeat(9_000)}`;
    const mcp = new Told().mcp({ body: rpc({ id: 1, method: "resources/read", params: { uri: name } }) });
    expect(mcp?.name).toBe("test://a?token=[hidden]");
  });

  it("does not make a line long, however long its names are", () => {
    const mcp = new Told().mcp({ body: rpc({ id: 1, method: "m".repeat(999) }) });
    expect(mcp?.method).toHaveLength(200);
  });
});

describe("the error of an answer", () => {
  const error = { code: -32_602, message: "Unknown tool" };
  const failed = rpc({ id: 1, error });
  const text = { type: "text", text: "Division by zero" };

  it.each<[string, Exchange, LineMcp["error"]]>([
    ["of JSON-RPC", { answer: failed }, error],
    ["of JSON-RPC, whatever the status", { answer: failed, status: 400 }, error],
    ["in a batch", { answer: [rpc({ id: 0, result: {} }), failed] }, error],
    [
      "of a tool",
      { answer: rpc({ id: 1, result: { content: [text], isError: true } }) },
      { message: "Division by zero" },
    ],
    [
      "in an event stream",
      {
        answer: `: hello\n\n${event(rpc({ method: "notifications/progress", params: {} }))}${event(failed)}`,
        answerHeaders: sse,
      },
      error,
    ],
    ["of none", { answer: rpc({ id: 1, result: { content: [text], isError: false } }) }, undefined],
    ["of none that speaks of one", { answer: rpc({ id: 1, result: { text: '"error": 1' } }) }, undefined],
    [
      "that is compressed",
      { answer: failed, answerHeaders: [...json, "Content-Encoding", "gzip"] },
      undefined,
    ],
    ["after 64 KiB", { answer: rpc({ id: 1, pad: "x".repeat(70_000), error }) }, undefined],
  ])("%s", (_, exchange, expected) => {
    expect(new Told().mcp({ body: call, ...exchange })).toEqual({
      method: "tools/call",
      name: "add",
      ...(expected === undefined ? {} : { error: expected }),
    });
  });

  it("is not looked for in answers to other requests", () => {
    expect(new Told().mcp({ method: "GET", answer: failed })).toBeUndefined();
  });
});

describe("an answer of the visitor", () => {
  const asks = event(rpc({ id: 7, method: "elicitation/create", params: {} }));
  const ofSession = (id: string): string[] => [...json, "Mcp-Session-Id", id];

  it("is told with the method of what the server has asked", () => {
    const told = new Told();
    told.begin({ body: call, headers: ofSession("a"), answer: asks, answerHeaders: sse });
    const answer = { body: rpc({ id: 7, result: {} }), status: 202 };
    expect(told.mcp({ ...answer, headers: ofSession("b") })?.method).toBe("(answer)");
    const body = rpc({ id: "7", result: {} });
    expect(told.mcp({ ...answer, body, headers: ofSession("a") })?.method).toBe("(answer)");
    const mcp = { method: "elicitation/create", isAnswer: true };
    expect(told.mcp({ ...answer, headers: ofSession("a") })).toEqual(mcp);
    // It is answered now.
    expect(told.mcp({ ...answer, headers: ofSession("a") })?.method).toBe("(answer)");
  });

  it("is told without it if too much was asked since", () => {
    const told = new Told();
    const ids = Array.from({ length: 300 }, (_, id) => id);
    const answer = ids.map((id) => event(rpc({ id, method: "ping" }))).join("");
    told.begin({ method: "GET", answer, answerHeaders: sse });
    const methods = ids.map((id) => told.mcp({ body: rpc({ id, result: {} }) })?.method);
    expect(methods.filter((method) => method === "ping")).toHaveLength(256);
    expect(methods.slice(44).every((method) => method === "ping")).toBe(true);
  });
});

describe("what stays open", () => {
  it("is told as it opens: a stream for a GET, with its events, and a WebSocket", () => {
    const told = new Told();
    const end = told.begin({
      method: "GET",
      answer: `${event({})}: ping\n\n${event({})}`,
      answerHeaders: sse,
    });
    expect(told.opened).toMatchObject([{ id: 1, kind: "stream", method: "GET", status: 200 }]);
    expect(end()).toMatchObject({ id: 1, kind: "stream", wasOpen: true, events: 2 });
    const socket = told.begin({ method: "GET", status: 101, answerHeaders: ["Upgrade", "WebSocket"] });
    expect(told.opened[1]).toMatchObject({ kind: "websocket", status: 101 });
    expect(socket()).toMatchObject({ kind: "websocket", wasOpen: true, events: undefined });
    told.pass({ method: "GET", status: 101, answerHeaders: ["Upgrade", "other"] });
    expect(told.opened[2]).toMatchObject({ kind: "upgrade" });
  });

  it("is a POST only if its stream lasts", () => {
    vi.useFakeTimers();
    try {
      const told = new Told();
      const short = told.begin({ body: call, answer: event({}), answerHeaders: sse });
      vi.advanceTimersByTime(4_999);
      expect(short()).toMatchObject({ kind: "stream", wasOpen: false, events: 1 });
      const long = told.begin({ body: call, answer: event({}), answerHeaders: sse });
      vi.advanceTimersByTime(5_000);
      expect(told.opened).toMatchObject([{ id: 2, mcp: { method: "tools/call" } }]);
      expect(long()).toMatchObject({ wasOpen: true });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is a stream of notifications at once, whatever its method", () => {
    const told = new Told();
    const body = rpc({ id: 1, method: "subscriptions/listen" });
    told.pass({ body, answer: event({}), answerHeaders: sse });
    expect(told.opened).toHaveLength(1);
  });

  it("is no answer without a body", () => {
    const told = new Told();
    told.pass({ method: "HEAD", answerHeaders: sse });
    expect(told.opened).toEqual([]);
  });
});

it("hides values that look like secrets, in targets, names and errors", () => {
  const told = new Told();
  expect(told.pass({ path: "/mcp?token=s3cret&page=2" })?.path).toBe("/mcp?token=[hidden]&page=2");
  const uri = "https://example.test/?api_key=s3cret";
  expect(told.mcp({ body: rpc({ id: 1, method: "resources/read", params: { uri } }) })?.name).not.toContain(
    "s3cret",
  );
  const error = { code: 1, message: "no: Authorization: Bearer s3cret-token-1" };
  expect(told.mcp({ body: call, answer: rpc({ id: 1, error }) })?.error?.message).not.toContain("s3cret");
});

// The attack: visitors begin more requests than there is memory for what is read of them.
it("reads no more at once than it has memory for, and reads again when that is free", () => {
  const told = new Told();
  const answer = JSON.stringify(rpc({ id: 1, error: { code: 1, message: "x".repeat(60_000) } }));
  const open = Array.from({ length: 200 }, () => told.begin({ body: call, answer }));
  for (const end of open) end();
  const seen = told.over.filter(({ mcp }) => mcp?.error !== undefined);
  expect(seen.length).toBeGreaterThan(50);
  expect(seen.length).toBeLessThanOrEqual(70);
  expect(told.mcp({ body: call, answer })?.error).toBeDefined();
  // Requests that are cut give their memory back, too.
  const error = { code: "cancelled" as const, message: "" };
  for (let i = 0; i < 200; i++) told.pass({ body: call, answer, error });
  expect(told.mcp({ body: call, answer })?.error).toBeDefined();
});
