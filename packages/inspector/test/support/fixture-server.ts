import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
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
import { detailOf, stateOf } from "./fixtures.js";

/** The headers with which the inspector serves its page. */
const pageHeaders = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
};

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

export interface ApiRequest {
  readonly method: string;
  /** With its query, without `/api/`. */
  readonly path: string;
  readonly body: string;
}

type Answer = (request: ApiRequest, res: ServerResponse) => void;

/** Serves the built page, and an API that answers from fixtures. */
export class FixtureServer {
  readonly fixtures: Fixtures;
  /** What the page has asked for, in order. */
  readonly requests: ApiRequest[] = [];
  /** Answers by `METHOD path`, before those of the fixtures. The path is without its query. */
  readonly answers = new Map<string, Answer>();
  secret = "fixture-secret";
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();

  static async start(fixtures: Partial<Fixtures> = {}): Promise<FixtureServer> {
    const server = new FixtureServer(fixtures);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  private constructor(fixtures: Partial<Fixtures>) {
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
    this.#server = createServer((req, res) => void this.#serve(req, res));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The URL that the terminal shows. `query`: what the page shows, with its question mark. */
  url(query = ""): string {
    return `${this.origin}/${query}#${this.secret}`;
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

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const target = new URL(req.url ?? "/", this.origin);
    if (!target.pathname.startsWith("/api/")) {
      const file = files[target.pathname];
      if (file === undefined) {
        res.writeHead(404).end();
        return;
      }
      res.writeHead(200, { ...pageHeaders, "Content-Type": file.type });
      res.end(gunzipSync(Buffer.from(file.gzipped, "base64")));
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const path = target.pathname.slice("/api/".length);
    const request = {
      method: req.method ?? "GET",
      path: path + target.search,
      body: Buffer.concat(chunks).toString(),
    };
    this.requests.push(request);
    if (req.headers.authorization !== `Bearer ${this.secret}`) {
      sendProblem(res, 401, "no_secret", "The secret is missing or wrong.");
      return;
    }
    const answer = this.answers.get(`${request.method} ${path}`);
    if (answer !== undefined) answer(request, res);
    else this.#answer(request, path, target.searchParams, res);
  }

  #answer(request: ApiRequest, path: string, filters: URLSearchParams, res: ServerResponse): void {
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

export function sendJson(res: ServerResponse, value: unknown, status = 200): void {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
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
