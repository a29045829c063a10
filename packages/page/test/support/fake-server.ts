import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** The headers with which pages are served. */
const pageHeaders = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
};

export interface ApiRequest {
  readonly method: string;
  /** With its query, without `/api/`. */
  readonly path: string;
  readonly body: string;
}

export type Answer = (request: ApiRequest, res: ServerResponse) => void;

type Files = Readonly<Record<string, { readonly type: string; readonly gzipped: string }>>;

/** Serves a built page, and an API that a test answers for. */
export abstract class FakeServer {
  /** What the page has asked for, in order. */
  readonly requests: ApiRequest[] = [];
  /** Answers by `METHOD path`, before all others. The path is without its query. */
  readonly answers = new Map<string, Answer>();
  secret = "fixture-secret";
  readonly #files: Files;
  readonly #server: Server;

  constructor(files: Files) {
    this.#files = files;
    this.#server = createServer((req, res) => void this.#serve(req, res));
  }

  /** `port`: 0 takes any that is free. */
  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The URL with the secret. `query`: what the page shows, with its question mark. */
  url(query = ""): string {
    return `${this.origin}/${query}#${this.secret}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Answers a request that has the secret. `path` is without its query. */
  protected abstract answer(
    request: ApiRequest,
    path: string,
    query: URLSearchParams,
    res: ServerResponse,
  ): void;

  /** Answers a request that does not. */
  protected abstract refuse(res: ServerResponse): void;

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const target = new URL(req.url ?? "/", this.origin);
    if (!target.pathname.startsWith("/api/")) return this.#serveFile(target.pathname, res);
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const path = target.pathname.slice("/api/".length);
    const request = {
      method: req.method ?? "GET",
      path: path + target.search,
      body: Buffer.concat(chunks).toString(),
    };
    this.requests.push(request);
    if (req.headers.authorization !== `Bearer ${this.secret}`) return this.refuse(res);
    const answer = this.answers.get(`${request.method} ${path}`);
    if (answer === undefined) this.answer(request, path, target.searchParams, res);
    else answer(request, res);
  }

  #serveFile(path: string, res: ServerResponse): void {
    const file = this.#files[path];
    if (file === undefined) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { ...pageHeaders, "Content-Type": file.type });
    res.end(gunzipSync(Buffer.from(file.gzipped, "base64")));
  }
}

export function sendJson(res: ServerResponse, value: unknown, status = 200): void {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}
