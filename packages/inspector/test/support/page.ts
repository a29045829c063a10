import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import type { Captured } from "../../src/captured.js";
import type { ExchangeSummary, InspectorState, McpSession, StreamMessage } from "../../src/model.js";
import { StreamHub } from "../../src/server/hub.js";
import { openPage, type InspectorPage } from "../../src/server/page-server.js";
import type { ServerParts } from "../../src/server/parts.js";
import { ringOf } from "./captured.js";

/** A page with parts that tests hold in their hands. */
export interface TestPage extends InspectorPage {
  readonly entries: Map<number, Captured>;
  readonly hub: StreamHub;
  readonly parts: ServerParts;
  readonly sessions: McpSession[];
  /** What was asked of the parts. */
  readonly asked: unknown[];
  /** Keeps an entry, and tells the hub. */
  add(entry: Captured): Captured;
  drop(entry: Captured): void;
  /** With the secret, and with the page's origin unless the method is GET. */
  ask(path: string, options?: AskOptions): Promise<PageAnswer>;
  stream(path?: string): Promise<TestStream>;
}

export interface AskOptions {
  readonly method?: string;
  /** Replace those that are sent otherwise; `undefined` leaves one out. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  readonly body?: string | Buffer;
}

export interface PageAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json(): unknown;
}

export interface TestStream {
  readonly status: number;
  /** The next message. */
  next(): Promise<StreamMessage>;
  /** The messages up to the first one that `is`. */
  until(is: (message: StreamMessage) => boolean): Promise<StreamMessage[]>;
  readonly response: IncomingMessage;
  close(): void;
}

/** `changes`: parts of the test's own. */
export async function openTestPage(changes: Partial<ServerParts> = {}): Promise<TestPage> {
  const entries = new Map<number, Captured>();
  const asked: unknown[] = [];
  const sessions: McpSession[] = [];
  const hub = new StreamHub();
  let paused = false;
  const ring = ringOf(entries);
  const parts: ServerParts = {
    ring,
    mcp: {
      sessions: () => sessions,
      session: (key) => {
        const session = sessions.find((one) => one.key === key);
        return session && { session, calls: [], tools: [] };
      },
    },
    attention: { look: () => () => {}, caughtUp: Promise.resolve() },
    replayer: {
      replay: (entry, request) => {
        asked.push([entry.id, request]);
        return Promise.resolve({ id: 77 });
      },
      cancel: (id) => id === 77,
    },
    servers: { states: () => [] },
    views: {
      summary: summaryOfTest,
      detail: (entry) => ({ ...summaryOfTest(entry), hidden: 1 }) as never,
      call: (key) => (key.endsWith(".0") ? ({ key } as never) : undefined),
      hidden: (_entry, mark) => (mark === "0123abcd" ? "s3cret" : undefined),
      curl: ({ head }) => `curl ${head.path}`,
      har: () => ['{"log":{"entries":[', "]}}"],
      harEntry: ({ id }) => ({ _id: id }),
    },
    state: () => stateOfTest(entries.size, paused),
    pause: (value) => void (paused = value),
    clear: () => {
      for (const entry of entries.values()) hub.gone(entry);
      entries.clear();
      hub.cleared();
    },
    ...changes,
  };
  const page = await openPage(parts, hub);
  const origin = page.url.slice(0, page.url.indexOf("/#"));
  const send = (path: string, { method = "GET", headers = {}, body }: AskOptions): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const all = {
        authorization: `Bearer ${page.secret}`,
        ...(method === "GET" || method === "HEAD" ? {} : { origin }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      };
      const given = Object.entries(all).filter(([, value]) => value !== undefined);
      const options = { host: page.host, port: page.port, path, method, headers: Object.fromEntries(given) };
      request({ ...options, agent: false }, resolve)
        .on("error", reject)
        .end(body);
    });
  return {
    ...page,
    entries,
    hub,
    parts,
    sessions,
    asked,
    add(entry) {
      entries.set(entry.id, entry);
      hub.begun(entry);
      return entry;
    },
    drop(entry) {
      entries.delete(entry.id);
      hub.gone(entry);
    },
    async ask(path, options = {}) {
      const response = await send(path, options);
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const { statusCode: status = 0, headers } = response;
      return { status, headers, text, json: () => JSON.parse(text) as unknown };
    },
    async stream(path = "/api/stream") {
      return readStream(await send(path, {}));
    },
  };
}

function readStream(response: IncomingMessage): TestStream {
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  const next = async (): Promise<StreamMessage> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the stream has ended");
    return JSON.parse(value) as StreamMessage;
  };
  return {
    status: response.statusCode ?? 0,
    next,
    async until(is) {
      const messages: StreamMessage[] = [];
      for (;;) {
        const message = await next();
        messages.push(message);
        if (is(message)) return messages;
      }
    },
    response,
    close: () => response.destroy(),
  };
}

export function summaryOfTest(entry: Captured): ExchangeSummary {
  const { id, startedAt, head, response, over, replayOf, refusal } = entry;
  return {
    id,
    kind: refusal === undefined ? (entry.events === undefined ? "http" : "stream") : "refused",
    state: over === undefined ? "open" : over.error === undefined ? "done" : "failed",
    startedAt,
    method: head.method,
    path: head.path,
    requestBytes: 0,
    responseBytes: 0,
    ...(response === undefined ? {} : { status: response.status }),
    ...(over === undefined ? {} : { durationMs: over.durationMs }),
    ...(replayOf === undefined ? {} : { replayOf }),
  };
}

function stateOfTest(exchanges: number, paused: boolean): InspectorState {
  return {
    version: "0.1.0",
    service: "the local service",
    connection: "online",
    paused,
    startedAt: 1,
    kept: { exchanges, bytes: 0, maxExchanges: 2_000, maxBytes: 1_000 },
    missed: { exchanges: 0, bodies: 0 },
  };
}
