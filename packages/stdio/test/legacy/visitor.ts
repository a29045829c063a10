import { Endpoint } from "../../src/http/endpoint.js";
import { Unread } from "../../src/http/unread.js";
import { Sessions } from "../../src/legacy/sessions.js";
import { resolveOptions, type StdioOptions } from "../../src/options.js";
import { FakeBackoff } from "../support/fake-backoff.js";
import { FakePipes, type FakePipe } from "../support/fake-pipe.js";

const url = "http://bridge.test/mcp";

export const initialize = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
};

export function answerInitialize(pipe: FakePipe, revision = "2025-11-25"): void {
  const { id } = pipe.received.at(0)!;
  pipe.say({ id, result: { protocolVersion: revision, capabilities: {}, serverInfo: { name: "fake" } } });
}

/**
 * Sessions behind an endpoint, on servers without processes. They answer `initialize` unless told otherwise.
 */
export class Bench {
  readonly backoff = new FakeBackoff();
  readonly notices: string[] = [];
  readonly pipes: FakePipes;
  readonly sessions: Sessions;
  readonly unread: Unread;
  readonly #endpoint: Endpoint;

  constructor(
    options: Partial<StdioOptions> = {},
    onOpen: (pipe: FakePipe) => void = (pipe) => answerInitialize(pipe),
  ) {
    this.pipes = new FakePipes(onOpen);
    const resolved = resolveOptions({
      command: "server",
      onEvent: (event) => {
        if (event.type === "notice") this.notices.push(event.message);
      },
      ...options,
    });
    this.unread = new Unread(resolved.maxUnreadBytes);
    this.sessions = new Sessions(resolved, this.pipes.open, this.backoff, this.unread);
    this.#endpoint = new Endpoint(resolved, this.sessions);
  }

  handle(request: Request): Promise<Response> {
    return this.#endpoint.fetch(request);
  }

  fetch(
    method: string,
    headers: Record<string, string>,
    body?: string,
    signal?: AbortSignal,
  ): Promise<Response> {
    return this.handle(new Request(url, { method, headers, body: body ?? null, signal: signal ?? null }));
  }

  /** Opens a session. */
  async visitor(headers: Record<string, string> = {}): Promise<Visitor> {
    const stranger = new Visitor(this, { "MCP-Protocol-Version": "2025-11-25", ...headers });
    const response = await stranger.post(initialize);
    const session = response.headers.get("Mcp-Session-Id");
    if (session === null) throw new Error(`no session: ${response.status} ${await response.text()}`);
    await response.text();
    return new Visitor(this, { ...stranger.headers, "Mcp-Session-Id": session }, this.pipes.opened.at(-1));
  }

  stranger(headers: Record<string, string> = {}): Visitor {
    return new Visitor(this, headers);
  }

  async close(): Promise<void> {
    await this.sessions.close();
    this.unread.close();
  }
}

export const both = { Accept: "application/json, text/event-stream" };

/** A client of MCP. */
export class Visitor {
  readonly headers: Record<string, string>;
  readonly #bench: Bench;
  readonly #pipe: FakePipe | undefined;

  constructor(bench: Bench, headers: Record<string, string>, pipe?: FakePipe) {
    this.#bench = bench;
    this.headers = headers;
    this.#pipe = pipe;
  }

  /** The server of the session. */
  get server(): FakePipe {
    return this.#pipe!;
  }

  post(message: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
    const body = typeof message === "string" ? message : JSON.stringify(message);
    const all = { "Content-Type": "application/json", ...both, ...this.headers, ...headers };
    return this.#bench.fetch("POST", all, body, signal);
  }

  get(headers: Record<string, string> = {}): Promise<Response> {
    return this.#bench.fetch("GET", { Accept: "text/event-stream", ...this.headers, ...headers });
  }

  resume(lastEventId: string | undefined): Promise<Response> {
    return this.get({ "Last-Event-ID": lastEventId! });
  }

  delete(headers: Record<string, string> = {}): Promise<Response> {
    return this.#bench.fetch("DELETE", { ...this.headers, ...headers });
  }
}

export function call(id: string | number, progressToken?: string | number): object {
  const meta = progressToken === undefined ? {} : { _meta: { progressToken } };
  return { jsonrpc: "2.0", id, method: "tools/call", params: { name: "slow", ...meta } };
}

export function notification(method: string, params: object = {}): object {
  return { jsonrpc: "2.0", method, params };
}
