import type { ResetCode, ResponseHead } from "mcp-tunnel-protocol";
import type { Captured, CapturedBody, CapturedEvent, CaptureListener } from "../../src/captured.js";
import { McpView } from "../../src/mcp/view.js";
import type { McpCall, McpSession } from "../../src/model.js";
import { bodyOf, captured, ringOf } from "./captured.js";

type Fields = Readonly<Record<string, string>>;

/** A hider that takes `secret` for a secret. */
export function fakeHider(): { text(text: string): string; count: number } {
  return {
    count: 0,
    text(text) {
      if (text.includes("secret")) this.count += 1;
      return text.replaceAll("secret", "[hidden]");
    },
  };
}

/** What an exchange is made of, as a test gives it. */
export interface Made {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Fields;
  readonly body?: unknown;
  readonly startedAt?: number;
  readonly user?: string;
  readonly replayOf?: number;
  /** The bytes that are kept of a body. Default: all. */
  readonly maxKept?: number;
}

interface Answered {
  readonly status?: number;
  readonly headers?: Fields;
  readonly atMs?: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A room of MCP, with a ring of fakes in it. */
export class Rig {
  readonly entries = new Map<number, Captured>();
  readonly changes: { keys: readonly string[]; gone: readonly string[] }[] = [];
  readonly view: McpView;
  /** Told of what happens: the room, unless a test has put something between. */
  listener: Omit<Required<CaptureListener>, "begun" | "message">;
  /** Bytes that the room has counted for each exchange. */
  readonly grown = new Map<number, number>();
  /** Called when an exchange grows, as the ring would. */
  onGrow: (entry: Captured) => void = () => {};
  #last = 0;

  /** `createHider`: of the room itself, where nobody gives one. */
  constructor(createHider = fakeHider) {
    const { entries } = this;
    const ring = ringOf(entries);
    this.view = new McpView(ring, (keys, gone) => this.changes.push({ keys, gone }), createHider);
    this.listener = this.view;
  }

  /** An exchange whose request is complete. */
  request(made: Made = {}): FakeExchange {
    const exchange = this.begin(made);
    this.listener.requested(exchange.entry);
    return exchange;
  }

  /** An exchange of which only the head is there. */
  begin(made: Made): FakeExchange {
    const exchange = new FakeExchange(this, ++this.#last, made);
    this.entries.set(exchange.entry.id, exchange.entry);
    return exchange;
  }

  post(body: unknown, made: Made = {}): FakeExchange {
    return this.request({ ...made, body });
  }

  /** Takes an exchange out of the ring. */
  forget({ entry }: FakeExchange): void {
    this.entries.delete(entry.id);
    this.listener.gone(entry);
  }

  get sessions(): McpSession[] {
    return this.view.sessions();
  }

  get onlySession(): McpSession {
    const { sessions } = this;
    const [only] = sessions;
    if (only === undefined || sessions.length > 1) throw new Error(`${sessions.length} sessions`);
    return only;
  }

  call(key: string): McpCall {
    const call = this.view.call(key, fakeHider());
    if (call === undefined) throw new Error(`no call ${key}`);
    return call;
  }

  /** `kind method text` of each item in the timeline of a call, with who it is from. */
  timeline(key: string): string[] {
    const items = this.view.call(key, fakeHider())?.timeline ?? [];
    return items.map(
      ({ from, kind, method = "", text, atMs }) => `${atMs} ${from} ${kind} ${method} ${text}`,
    );
  }
}

export class FakeExchange {
  readonly entry: Mutable<Captured>;
  readonly #rig: Rig;
  readonly #maxKept: number;

  constructor(rig: Rig, id: number, made: Made) {
    const { method = "POST", path = "/mcp", startedAt = 1_000, body, user, replayOf } = made;
    this.#rig = rig;
    this.#maxKept = made.maxKept ?? Infinity;
    const json = method === "POST" ? { "content-type": "application/json" } : {};
    const headers = Object.entries({
      accept: "application/json, text/event-stream",
      ...json,
      ...made.headers,
    });
    const head = { method, path, headers: headers.flat() };
    const served =
      user === undefined ? undefined : { ...head, headers: [...head.headers, "X-Tunnel-User", user] };
    const entry = captured({ ...head, status: null });
    this.entry = {
      ...entry,
      id,
      startedAt,
      serviceHead: served,
      replayOf,
      requestBody: this.#body(body),
      requestEndMs: 0,
      grow: (bytes) => {
        rig.grown.set(id, (rig.grown.get(id) ?? 0) + bytes);
        rig.onGrow(this.entry);
      },
    };
  }

  get key(): string {
    return `${this.entry.id}.0`;
  }

  /** The head of the answer. */
  head(status: number, headers: Fields = {}): this {
    const head: ResponseHead = { status, headers: Object.entries(headers).flat() };
    this.entry.response = head;
    this.entry.headMs = 1;
    if (headers["content-type"] === "text/event-stream" && headers["content-encoding"] === undefined)
      this.entry.events = { kept: [], dropped: 0 };
    this.#rig.listener.answered(this.entry);
    return this;
  }

  /** A whole answer of JSON. */
  json(body: unknown, { status = 200, headers = {}, atMs = 5 }: Answered = {}): this {
    this.head(status, { "content-type": "application/json", ...headers });
    this.entry.responseBody = this.#body(body);
    return this.end(atMs);
  }

  /** The head of an answer of events. */
  events(headers: Fields = {}): this {
    return this.head(200, { "content-type": "text/event-stream", ...headers });
  }

  event(message: unknown, atMs = 1, more: Partial<CapturedEvent> = {}): this {
    const data = typeof message === "string" ? message : JSON.stringify(message);
    const event = {
      atMs,
      event: "",
      id: undefined,
      data,
      isComment: false,
      bytes: data.length,
      isCut: false,
      ...more,
    };
    this.entry.events = { kept: [...(this.entry.events?.kept ?? []), event], dropped: 0 };
    this.#rig.listener.event(this.entry, event);
    return this;
  }

  /** Lets go of the oldest events, as the ring does. */
  dropEvents(count: number): void {
    this.entry.events = { kept: this.entry.events?.kept.slice(count) ?? [], dropped: count };
  }

  end(durationMs = 5, error?: { code: ResetCode; message: string }): this {
    const { method, path } = this.entry.head;
    const status = this.entry.response?.status;
    this.entry.over = { method, path, status, durationMs, requestBytes: 0, responseBytes: 0, error };
    this.#rig.listener.over(this.entry);
    return this;
  }

  #body(body: unknown): CapturedBody {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(text ?? "");
    return bodyOf(bytes.subarray(0, this.#maxKept), bytes.length);
  }
}

// ---- messages

export const request = (id: unknown, method: string, params: object = {}): object => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
export const notification = (method: string, params: object = {}): object => ({
  jsonrpc: "2.0",
  method,
  params,
});
export const result = (id: unknown, value: object = {}): object => ({ jsonrpc: "2.0", id, result: value });
export const failure = (id: unknown, code: number, message: string): object => ({
  jsonrpc: "2.0",
  id,
  error: { code, message },
});
export const text = (said: string): object => ({ content: [{ type: "text", text: said }] });
export const toolCall = (id: unknown, name: string, args: object = {}, meta: object = {}): object =>
  request(id, "tools/call", { name, arguments: args, _meta: meta });
export const clientInfo = { name: "a host", version: "1.0" };
export const initialize = (id: unknown = 0, info: object = clientInfo): object =>
  request(id, "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: { sampling: {} },
    clientInfo: info,
  });
export const initialized = (id: unknown = 0): object =>
  result(id, {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {}, logging: {} },
    serverInfo: { name: "a server", version: "2.0" },
  });

/** Opens a session of the earlier era. Returns the header fields of what follows in it. */
export function openSession(rig: Rig, id = "an id"): Fields {
  rig.post(initialize()).json(initialized(), { headers: { "mcp-session-id": id } });
  return { "mcp-session-id": id, "mcp-protocol-version": "2025-11-25" };
}

/** A request of revision 2026-07-28 with the header fields that it has to have. */
export function modern(id: unknown, method: string, params: Readonly<Record<string, unknown>> = {}): Made {
  const name = params["name"] ?? params["uri"];
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": clientInfo,
    "io.modelcontextprotocol/clientCapabilities": { elicitation: {} },
    ...(params["_meta"] as object | undefined),
  };
  return {
    headers: {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(typeof name === "string" && { "mcp-name": name }),
    },
    body: request(id, method, { ...params, _meta }),
  };
}
