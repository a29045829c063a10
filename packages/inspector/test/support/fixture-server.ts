import type { ServerResponse } from "node:http";
import type {
  ApiError,
  CallDetail,
  ExchangeDetail,
  ExchangeSummary,
  InspectorState,
  ServerState,
  SessionDetail,
  StreamMessage,
} from "mcp-tunnel-inspector/model";
import { files } from "#page";
import { type ApiRequest, FakeServer, sendJson } from "../../../page/test/support/fake-server.js";
import { detailOf, stateOf } from "./fixtures.js";

/** What the API says. A test changes it as it goes, and pushes what has changed. */
export interface Fixtures {
  state: InspectorState;
  exchanges: ExchangeSummary[];
  /** Default: a plain detail of the summary with that id. */
  detail?: (id: number) => ExchangeDetail | undefined;
  /** Secrets by their marks. */
  hidden: Record<string, string>;
  sessions: SessionDetail[];
  calls: CallDetail[];
  servers: ServerState[];
  /** Which entries match a query. Default: all. A thrown error: the API does not understand the filter. */
  matches?: (entry: ExchangeSummary, filters: URLSearchParams) => boolean;
}

/** Serves the built page, and an API that answers from fixtures. */
export class FixtureServer extends FakeServer {
  readonly fixtures: Fixtures;
  readonly #streams = new Set<ServerResponse>();

  static async start(fixtures: Partial<Fixtures> = {}): Promise<FixtureServer> {
    return await new FixtureServer(fixtures).listen();
  }

  private constructor(fixtures: Partial<Fixtures>) {
    super(files);
    const { state, exchanges = [] } = fixtures;
    this.fixtures = {
      hidden: {},
      sessions: [],
      calls: [],
      servers: [],
      ...fixtures,
      exchanges,
      state: state ?? stateOf({ kept: { ...stateOf().kept, exchanges: exchanges.length, bytes: 1_234_567 } }),
    };
  }

  /** The number of streams that pages read now. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Sends messages to all streams. The fixtures stay as they are. */
  push(...messages: readonly StreamMessage[]): void {
    for (const stream of this.#streams) stream.write(linesOf(messages));
  }

  /** Adds exchanges to the fixtures, or replaces them, and tells all streams. */
  add(...exchanges: readonly ExchangeSummary[]): void {
    const ids = new Set(exchanges.map(({ id }) => id));
    this.fixtures.exchanges = this.fixtures.exchanges.filter(({ id }) => !ids.has(id)).concat(exchanges);
    this.push({ type: "exchanges", exchanges });
  }

  /** Cuts all streams, as a client that was stopped. */
  dropStreams(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  protected override refuse(res: ServerResponse): void {
    sendProblem(res, 401, "no_secret", "The secret is missing or wrong.");
  }

  protected override answer(
    request: ApiRequest,
    path: string,
    filters: URLSearchParams,
    res: ServerResponse,
  ): void {
    const [name, key = "", part, mark = ""] = path.split("/").map(decodeURIComponent);
    if (request.method === "DELETE" && path === "exchanges") {
      this.fixtures.exchanges = [];
      res.writeHead(204).end();
      this.push({ type: "reset" }, { type: "state", state: this.fixtures.state });
    } else if (request.method === "POST" && path === "pause") {
      const { paused } = JSON.parse(request.body) as { paused: boolean };
      this.fixtures.state = { ...this.fixtures.state, paused };
      sendJson(res, this.fixtures.state);
      this.push({ type: "state", state: this.fixtures.state });
    } else if (request.method !== "GET") sendMissing(res);
    else if (path === "stream") this.#stream(filters, res);
    else if (path === "state") sendJson(res, this.fixtures.state);
    else if (path === "exchanges") sendJson(res, { exchanges: this.#matching(filters).toReversed() });
    else if (path === "sessions") {
      sendJson(res, { sessions: this.fixtures.sessions.map(({ session }) => session) });
    } else if (path === "servers") sendJson(res, { servers: this.fixtures.servers });
    else if (name === "har") sendJson(res, { log: { version: "1.2", entries: [] } });
    else if (name === "sessions") {
      sendFound(
        res,
        this.fixtures.sessions.find(({ session }) => session.key === key),
      );
    } else if (name === "calls") {
      sendFound(
        res,
        this.fixtures.calls.find((call) => call.key === key),
      );
    } else if (part === "hidden") {
      const value = Object.hasOwn(this.fixtures.hidden, mark) ? this.fixtures.hidden[mark] : undefined;
      sendFound(res, value === undefined ? undefined : { value });
    } else if (part === "curl") {
      res.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" }).end(`curl exchange ${key}`);
    } else if (name === "exchanges" && part === undefined) sendFound(res, this.#detail(Number(key)));
    else sendMissing(res);
  }

  #detail(id: number): ExchangeDetail | undefined {
    if (this.fixtures.detail !== undefined) return this.fixtures.detail(id);
    const summary = this.fixtures.exchanges.find((entry) => entry.id === id);
    return summary === undefined ? undefined : detailOf(summary);
  }

  #matching(filters: URLSearchParams): ExchangeSummary[] {
    const { exchanges, matches } = this.fixtures;
    return exchanges.filter((entry) => matches?.(entry, filters) ?? true);
  }

  #stream(filters: URLSearchParams, res: ServerResponse): void {
    let exchanges: ExchangeSummary[];
    try {
      exchanges = this.#matching(filters);
    } catch (error) {
      sendProblem(res, 400, "bad_filter", (error as Error).message);
      return;
    }
    res.writeHead(200, { "Content-Type": "application/x-ndjson" });
    res.write(linesOf([{ type: "state", state: this.fixtures.state }]));
    for (let at = 0; at === 0 || at < exchanges.length; at += 200) {
      res.write(linesOf([{ type: "exchanges", exchanges: exchanges.slice(at, at + 200) }]));
    }
    const sessions = this.fixtures.sessions.map(({ session }) => session);
    res.write(linesOf([{ type: "sessions", sessions, gone: [] }]));
    res.write(linesOf([{ type: "servers", servers: this.fixtures.servers }]));
    this.#streams.add(res);
    res.on("close", () => this.#streams.delete(res));
  }
}

function linesOf(messages: readonly StreamMessage[]): string {
  return messages.map((message) => `${JSON.stringify(message)}\n`).join("");
}

export function sendProblem(res: ServerResponse, status: number, code: string, message: string): void {
  sendJson(res, { code, message } satisfies ApiError, status);
}

function sendFound(res: ServerResponse, value: unknown): void {
  if (value === undefined) sendMissing(res);
  else sendJson(res, value);
}

function sendMissing(res: ServerResponse): void {
  sendProblem(res, 404, "not_found", "There is nothing (any more).");
}
