import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { constants } from "node:http2";
import { headerValue } from "mcp-tunnel-protocol";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { createVisitor } from "../../../test/support/visitor.js";
import type {
  CertificateFiles,
  Judge,
  LimitEvent,
  Logger,
  Refusal,
  RelayOptions,
  Visit,
} from "../src/index.js";
import { Http2Visitor, plainEntrance } from "./http2-support.js";
import { type AcceptedExchange, RawVisitor, startRelay, type TestRelay, V1Client } from "./support.js";

const { NGHTTP2_CANCEL } = constants;

const opened = closingAfterEach();
let files: CertificateFiles;

beforeAll(async () => {
  const folder = createFolder();
  const pair = await (await createAuthority()).issue(["localhost", "127.0.0.1"]);
  files = { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
  return () => folder.close();
});

/** A judge that takes its time: it decides about one visit after the other when the test says so. */
class SlowJudge {
  readonly visits: Visit[] = [];
  readonly #decide: ((word: Promise<Refusal | undefined>) => void)[] = [];
  #wake: (() => void) | undefined;

  readonly judge: Judge = (visit) => {
    this.visits.push(visit);
    this.#wake?.();
    return new Promise((resolve) => this.#decide.push(resolve));
  };

  /** The nth visit (from 1) that it was asked about. */
  async asked(nth = 1): Promise<Visit> {
    for (;;) {
      const visit = this.visits[nth - 1];
      if (visit !== undefined) return visit;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Decides about the visit that has waited for longest. */
  decide(word?: Refusal | Error): void {
    this.#decide.shift()?.(word instanceof Error ? Promise.reject(word) : Promise.resolve(word));
  }
}

const refusal: Refusal = {
  status: 401,
  code: "key_required",
  text: "a key is required",
  fields: [
    "WWW-Authenticate",
    'Bearer realm="x"',
    "Retry-After",
    "7",
    "Set-Cookie",
    "a=1",
    "Set-Cookie",
    "b=2",
  ],
};
const refuses =
  (word: unknown): Judge =>
  () =>
    word as Refusal;

const fails = (): never => {
  throw new Error("nothing to be read here");
};

/** What the relay logged as an error. */
function errorLog(): { logger: Logger; errors: { error?: string; name?: string; message: string }[] } {
  const errors: { error?: string; message: string }[] = [];
  const ignore = (): void => {};
  const error = (fields: object, message: string): void => void errors.push({ ...fields, message });
  return { logger: { debug: ignore, info: ignore, warn: ignore, error }, errors };
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}
interface Asking {
  method?: "GET" | "HEAD" | "OPTIONS" | "POST";
  path?: string;
  headers?: Record<string, string>;
  body?: string;
}
interface Way {
  relay: TestRelay;
  client: V1Client;
  ask(asking?: Asking): Promise<Answer>;
}

type Keep = <T extends { close(): unknown }>(opened: T) => T;

async function overHttp1(options: Partial<RelayOptions>, keep: Keep = opened): Promise<Way> {
  const relay = keep(await startRelay(options));
  const client = keep(await V1Client.connect(relay.port, "app", { refusals: true }));
  const visitor = keep(createVisitor(relay.port));
  return {
    relay,
    client,
    async ask({ path = "/", method = "GET", ...rest } = {}) {
      const { statusCode, headers, body } = await visitor.visit("app", path, { method, ...rest });
      return { status: statusCode, headers, text: await body.text() };
    },
  };
}

async function overHttp2(options: Partial<RelayOptions>, keep: Keep = opened): Promise<Way> {
  const relay = keep(await startRelay({ tls: { files: [files] }, ...options }));
  const entrance = keep(await plainEntrance(relay.port));
  const client = keep(await V1Client.connect(entrance.port, "app", { refusals: true }));
  const visitor = keep(await Http2Visitor.connect(relay.port));
  return {
    relay,
    client,
    async ask({ path = "/", method = "GET", headers = {}, body } = {}) {
      const exchange = visitor.request({ ":path": path, ":method": method, ...headers }, body).read();
      const { ":status": status, ...fields } = await exchange.head;
      await exchange.closed;
      return { status: Number(status), headers: fields, text: exchange.body };
    },
  };
}

function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

function answer(exchange: AcceptedExchange, text = "passed"): void {
  exchange.stream.sendHead({ status: 200, headers: ["Content-Length", String(text.length)] });
  exchange.stream.write(Buffer.from(text));
  exchange.stream.end();
}

describe.each([
  ["HTTP/1.1", overHttp1],
  ["HTTP/2", overHttp2],
])("judges of a program, over %s", (version, over) => {
  it("are asked in their order, at once or later, until one refuses", async () => {
    const asked: string[] = [];
    const slow = new SlowJudge();
    const { ask, client } = await over({
      judges: [
        ({ path }) => void asked.push(`first ${path}`),
        slow.judge,
        ({ path }) => {
          asked.push(`third ${path}`);
          return path === "/no" ? refusal : undefined;
        },
        async ({ path }) => void asked.push(`fourth ${path}`),
      ],
    });
    const passed = ask({ path: "/yes?x=1" });
    await slow.asked();
    expect(asked).toEqual(["first /yes?x=1"]);
    slow.decide();
    answer(await client.accept());
    expect(await passed).toMatchObject({ status: 200, text: "passed" });
    expect(asked).toEqual(["first /yes?x=1", "third /yes?x=1", "fourth /yes?x=1"]);
    asked.length = 0;
    const refused = ask({ path: "/no" });
    await slow.asked(2);
    slow.decide();
    expect((await refused).status).toBe(401);
    expect(asked).toEqual(["first /no", "third /no"]);
  });

  it("see what the head says", async () => {
    const seen: object[] = [];
    const { ask } = await over({
      trustedProxies: ["127.0.0.1"],
      judges: [
        (visit) => {
          const { name, method, path, address, scheme, httpVersion, asksForUpgrade, hasBody, headers } =
            visit;
          const key = visit.header("x-key");
          const isListed = headers.includes("the key");
          const facts = { name, method, path, address, scheme, httpVersion, asksForUpgrade, hasBody };
          seen.push({ ...facts, key, isListed });
          return refusal;
        },
      ],
    });
    const headers = { "X-Key": "the key", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https" };
    await ask({ method: "POST", path: "/a?b", body: "x", headers });
    expect(seen).toEqual([
      {
        name: "app",
        method: "POST",
        path: "/a?b",
        address: "192.0.2.7",
        scheme: "https",
        httpVersion: version === "HTTP/2" ? "2.0" : "1.1",
        asksForUpgrade: false,
        hasBody: true,
        key: "the key",
        isListed: true,
      },
    ]);
  });

  it("refuse with fields, and with the fields of any answer of the relay's", async () => {
    const { relay, ask } = await over({ judges: [async () => refusal] });
    const { status, headers, text } = await ask({ path: "/secret?key=1" });
    expect({ status, text }).toEqual({ status: 401, text: "a key is required" });
    expect(headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "content-length": "17",
      "cache-control": "no-store",
      "x-tunnel-error": "key_required",
      "www-authenticate": 'Bearer realm="x"',
      "retry-after": "7",
      "set-cookie": ["a=1", "b=2"],
    });
    const record = await relay.record(1);
    expect(record).toMatchObject({
      name: "app",
      path: "/secret",
      outcome: "refused",
      code: "key_required",
      status: 401,
      responseBytes: 17,
      wire: undefined,
    });
    expect(headers["x-request-id"]).toBe(record.requestId);
  });

  it("refuse in the form that the visitor understands", async () => {
    const { ask } = await over({ judges: [refuses({ ...refusal, text: 'no <b> & "c"' })] });
    const rpc = await ask({
      method: "POST",
      body: JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/list" }),
      headers: { "content-type": "application/json" },
    });
    expect(rpc).toMatchObject({ status: 401, headers: { "content-type": "application/json" } });
    expect(JSON.parse(rpc.text)).toEqual({
      jsonrpc: "2.0",
      id: 7,
      error: { code: -32000, message: 'no <b> & "c"', data: { code: "key_required", status: 401 } },
    });
    const page = await ask({ headers: { accept: "text/html" } });
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
    expect(page.text).toContain("<h1>no &lt;b&gt; &amp; &quot;c&quot;</h1>");
    expect(page.text).toContain("<title>401 no &lt;b&gt;");
  });

  it("answer with a redirect, with or without a text", async () => {
    const redirect = { status: 302, code: "login", fields: ["Location", "https://login.test/"] };
    const { ask } = await over({
      judges: [({ path }) => ({ ...redirect, text: path === "/text" ? "log in first" : "" })],
    });
    const plain = await ask({ method: "POST", body: "some" });
    expect(plain).toMatchObject({ status: 302, text: "", headers: { location: "https://login.test/" } });
    expect(plain.headers).toMatchObject({ "content-length": "0", "x-tunnel-error": "login" });
    expect(plain.headers).not.toHaveProperty("content-type");
    expect(await ask({ path: "/text" })).toMatchObject({ status: 302, text: "log in first" });
  });

  it.each([204, 205, 304])("answer with %s, which has no body", async (status) => {
    const fields = ["Access-Control-Allow-Origin", "https://web.test", "Cache-Control", "max-age=60"];
    const { ask } = await over({
      judges: [refuses({ status, code: "preflight", text: "nobody reads it", fields })],
    });
    const preflight = await ask({ method: "OPTIONS", path: "/mcp" });
    expect(preflight).toMatchObject({ status, text: "" });
    expect(preflight.headers).toMatchObject({
      "access-control-allow-origin": "https://web.test",
      "cache-control": "max-age=60",
    });
    expect(preflight.headers).not.toHaveProperty("content-type");
    const length = status === 205 && version === "HTTP/1.1" ? "0" : undefined;
    expect(preflight.headers["content-length"]).toBe(length);
  });

  it("answer a HEAD with the head alone", async () => {
    const { ask, relay } = await over({ judges: [refuses(refusal)] });
    expect(await ask({ method: "HEAD" })).toMatchObject({ status: 401, text: "" });
    expect(await relay.record(1)).toMatchObject({ status: 401, responseBytes: 0 });
  });

  it("let the body wait, whole, until they have decided", async () => {
    const slow = new SlowJudge();
    const { ask, client } = await over({ judges: [slow.judge], maxRequestBodyBytes: 2 ** 23 });
    const body = "x".repeat(2 ** 22);
    const answered = ask({ method: "POST", body });
    await slow.asked();
    slow.decide();
    const exchange = await client.accept();
    await exchange.ended;
    expect(exchange.body).toBe(body);
    answer(exchange);
    expect((await answered).status).toBe(200);
  });

  it("that are slow keep the visit's place among the requests of its address", async () => {
    const slow = new SlowJudge();
    const { ask, client } = await over({ judges: [slow.judge], maxRequestsPerAddress: 1, limitExempt: [] });
    const first = ask();
    await slow.asked();
    expect((await ask()).status).toBe(429);
    slow.decide(refusal);
    expect((await first).status).toBe(401);
    const third = ask();
    await slow.asked(2);
    slow.decide();
    const exchange = await client.accept();
    expect((await ask()).status).toBe(429);
    answer(exchange);
    expect((await third).status).toBe(200);
    expect(slow.visits).toHaveLength(2);
  });

  it("that are slow hold no more than all requests that wait may", async () => {
    const slow = new SlowJudge();
    const limits: string[] = [];
    const observers = [{ onEnd() {}, onLimit: ({ limit }: LimitEvent) => limits.push(limit) }];
    // Enough for one request.
    const { ask, client } = await over({ judges: [slow.judge], maxHeldBytes: 10_000, observers });
    const first = ask();
    await slow.asked();
    const second = await ask();
    expect(second).toMatchObject({ status: 503, headers: { "x-tunnel-error": "tunnel_overloaded" } });
    expect((await slow.asked(2)).signal.aborted).toBe(true);
    expect(limits).toEqual(["held_requests"]);
    const [told] = await client.refusals(1);
    expect(told).toMatchObject({ code: "tunnel_overloaded", limit: { option: "max-held-bytes" } });
    slow.decide(refusal);
    expect((await first).status).toBe(401);
    // What is said about the second comes too late. The third has its room, and gives it back for the fourth.
    slow.decide(refusal);
    for (const nth of [3, 4]) {
      const next = ask();
      await slow.asked(nth);
      slow.decide();
      answer(await client.accept());
      expect((await next).status).toBe(200);
    }
  });

  it.each<[string, Judge]>([
    [
      "throws",
      () => {
        throw new Error("a judge's mistake");
      },
    ],
    ["rejects", async () => Promise.reject(new Error("a judge's mistake"))],
  ])("cost one request a 500 and a line in the log: one that %s", async (_what, judge) => {
    const { logger, errors } = errorLog();
    const { ask, client } = await over({
      logger,
      judges: [(visit) => (visit.path === "/bad" ? judge(visit) : undefined)],
    });
    const good = ask();
    const exchange = await client.accept();
    const bad = await ask({ path: "/bad" });
    expect(bad).toMatchObject({ status: 500, text: "relay error" });
    expect(bad.headers["x-tunnel-error"]).toBe("internal_error");
    answer(exchange);
    expect((await good).status).toBe(200);
    expect(errors).toMatchObject([
      {
        name: "app",
        error: expect.stringContaining("a judge's mistake") as string,
        message: "a judge failed",
      },
    ]);
  });

  it.each<[string, Judge]>([
    [
      "throws what has no words",
      () => {
        throw Object.create(null) as Error;
      },
    ],
    ["answers what throws when it is read", refuses(Object.defineProperty({}, "status", { get: fails }))],
    ["answers what throws when it is awaited", refuses(new Proxy({}, { get: fails }))],
    ["answers later what throws", async () => Object.defineProperty({ ...refusal }, "code", { get: fails })],
  ])("cost one request a 500, which keeps no place: one that %s", async (_what, judge) => {
    const { logger, errors } = errorLog();
    const { ask } = await over({ logger, maxRequestsPerAddress: 1, limitExempt: [], judges: [judge] });
    for (const path of ["/first", "/second"]) {
      expect(await ask({ path })).toMatchObject({ status: 500, text: "relay error" });
    }
    expect(errors).toMatchObject([{ message: "a judge failed" }, { message: "a judge failed" }]);
  });

  it("are read once: what was looked at is what is sent", async () => {
    let looks = 0;
    const fields = { get: () => (++looks > 2 ? ["X-A", "b\r\nX-C: d"] : ["X-A", "b"]), enumerable: true };
    const { ask } = await over({ judges: [() => Object.defineProperty({ ...refusal }, "fields", fields)] });
    expect(await ask()).toMatchObject({ status: 401, headers: { "x-a": "b" } });
  });

  it("that never decide are waited for as long as for a response", async () => {
    const slow = new SlowJudge();
    const { logger, errors } = errorLog();
    const limits: string[] = [];
    const observers = [{ onEnd() {}, onLimit: ({ limit }: LimitEvent) => limits.push(limit) }];
    const { ask, client } = await over({ logger, observers, judges: [slow.judge], responseTimeoutMs: 50 });
    expect(await ask()).toMatchObject({ status: 500, text: "relay error" });
    expect((await slow.asked()).signal.aborted).toBe(true);
    expect(errors).toMatchObject([{ name: "app", message: "a judge failed" }]);
    expect(limits).toEqual(["response_time"]);
    const [told] = await client.refusals(1);
    expect(told).toMatchObject({
      code: "internal_error",
      status: 500,
      limit: { option: "response-timeout" },
    });
  });

  it("are not waited for longer than a relay that shuts down waits", async () => {
    const slow = new SlowJudge();
    const { ask, relay } = await over({ judges: [slow.judge] });
    const cut = ask();
    const { signal } = await slow.asked();
    await relay.close(0);
    expect(signal.aborted).toBe(true);
    expect(await cut).toMatchObject({ status: 503, headers: { "x-tunnel-error": "tunnel_draining" } });
    expect(await relay.record(1)).toMatchObject({
      code: "tunnel_draining",
      detail: "the relay is shutting down",
    });
  });

  it("are waited for within that time", async () => {
    const slow = new SlowJudge();
    const { ask, relay, client } = await over({ judges: [slow.judge] });
    const passed = ask({ path: "/passed" });
    const refused = ask({ path: "/refused" });
    await slow.asked(2);
    const closed = relay.close(60_000);
    slow.decide();
    slow.decide(refusal);
    answer(await client.accept());
    const statuses = [(await passed).status, (await refused).status];
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 401]);
    await closed;
  });

  it("come after the relay's own, and are not asked about the domain itself", async () => {
    const { ask } = await over({ maxUrlBytes: 100, judges: [refuses(refusal)] });
    expect((await ask({ path: `/${"x".repeat(100)}` })).status).toBe(414);
    const authority = version === "HTTP/2" ? ":authority" : "host";
    expect((await ask({ headers: { [authority]: "other.test" } })).status).toBe(421);
    expect((await ask({ headers: { [authority]: "localhost" } })).status).toBe(200);
    expect((await ask({ headers: { [authority]: "nobody.localhost" } })).status).toBe(401);
  });

  it("leave no timer and no socket behind, whatever becomes of their visits", async () => {
    await expectNoLeaks(async () => {
      const kept: { close(): unknown }[] = [];
      const slow = new SlowJudge();
      const { ask, relay, client } = await over({ judges: [slow.judge] }, (one) => {
        kept.unshift(one);
        return one;
      });
      const answered = Promise.allSettled([ask(), ask(), ask(), ask()]);
      await slow.asked(4);
      slow.decide();
      answer(await client.accept());
      slow.decide(refusal);
      slow.decide(new Error("a judge's mistake"));
      await relay.record(3);
      for (const one of kept) await one.close();
      await answered;
    });
  });
});

describe("a refusal of a program's own", () => {
  it.each<[string, unknown]>([
    ["null", null],
    ["true", true],
    ["a status alone", { status: 403 }],
    ["an interim status", { ...refusal, status: 103 }],
    ["a status of three and a half digits", { ...refusal, status: 403.5 }],
    ["a code that is no token", { ...refusal, code: "two words" }],
    ["no text", { ...refusal, text: undefined }],
    ["half a field", { ...refusal, fields: ["Location"] }],
    ["a number as a value", { ...refusal, fields: ["Retry-After", 5] }],
    ["a name that is none", { ...refusal, fields: ["a b", "c"] }],
    ["a value with the next field in it", { ...refusal, fields: ["Location", "/\r\nX-A: 1"] }],
    ["a field by which the answer is framed", { ...refusal, fields: ["Content-length", "5"] }],
    ["another one", { ...refusal, fields: ["Transfer-Encoding", "chunked"] }],
    ["a field of the connection", { ...refusal, fields: ["Connection", "close"] }],
    ["the relay's own word", { ...refusal, fields: ["X-Tunnel-Error", "x"] }],
  ])("that cannot be given is a fault: %s", async (_what, word) => {
    const { logger, errors } = errorLog();
    const { ask } = await overHttp1({ logger, judges: [refuses(word)] });
    expect(await ask()).toMatchObject({ status: 500, headers: { "x-tunnel-error": "internal_error" } });
    const error = expect.stringMatching(/^what it answers is no refusal: .* must be /) as string;
    expect(errors).toMatchObject([{ error, message: "a judge failed" }]);
  });

  it("is told to the tunnel's client, unless it is no error", async () => {
    const answers: Record<string, Refusal> = {
      "/redirect": { status: 302, code: "login", text: "" },
      "/key": refusal,
      "/own": { status: 429, code: "too_many_requests", text: "slow down" },
    };
    const { ask, client } = await overHttp1({ judges: [({ path }) => answers[path]] });
    await ask({ path: "/redirect" });
    await ask({ path: "/key" });
    expect(await client.refusals(1)).toMatchObject([{ code: "other", status: 401, path: "/key", count: 1 }]);
    await ask({ path: "/own" });
    expect(await client.refusals(2)).toMatchObject([
      { code: "too_many_requests", status: 429, path: "/own" },
    ]);
  });
});

describe("while a judge decides, over HTTP/1.1", () => {
  async function tunnel(options: Partial<RelayOptions> = {}) {
    const slow = new SlowJudge();
    const relay = opened(await startRelay({ judges: [slow.judge], ...options }));
    const client = opened(await V1Client.connect(relay.port, "app"));
    const visit = (head: string, body = "") => {
      const visitor = opened(new RawVisitor(relay.port));
      visitor.request(head, body);
      return visitor;
    };
    return { slow, relay, client, visit };
  }

  it("an expectation is not answered", async () => {
    const { slow, client, visit } = await tunnel();
    const head = "POST / HTTP/1.1\nContent-Length: 5\nExpect: 100-continue";
    const refused = visit(head);
    await slow.asked();
    slow.decide(refusal);
    // Nothing else: the visitor may go on with another request over the same connection.
    expect(await refused.until((text) => text.endsWith("a key is required"))).toMatch(/^HTTP\/1\.1 401 /);
    const passed = visit(head);
    await slow.asked(2);
    slow.decide();
    const exchange = await client.accept();
    expect(passed.received).toBe("");
    exchange.stream.sendInterim({ status: 100, headers: [] });
    await passed.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
    passed.socket.write("hello");
    await exchange.ended;
    expect(exchange.body).toBe("hello");
  });

  it("the body is not read, but for what a buffer holds", async () => {
    const { slow, client, visit } = await tunnel({ maxRequestBodyBytes: 64 * 2 ** 20 });
    const visitor = visit(`POST / HTTP/1.1\nContent-Length: ${32 * 2 ** 20}`);
    await slow.asked();
    const piece = Buffer.alloc(2 ** 20);
    for (let i = 0; i < 32; i++) visitor.socket.write(piece);
    // Another request goes back and forth meanwhile, and there is still something to write: nobody reads it.
    visit("GET / HTTP/1.1");
    await slow.asked(2);
    expect(visitor.socket.writableLength).toBeGreaterThan(2 ** 20);
    slow.decide();
    const exchange = await client.accept();
    await exchange.ended;
    expect(exchange.body).toHaveLength(32 * 2 ** 20);
  });

  it("a visitor who leaves ends it, and what the judge says then does nothing", async () => {
    const { slow, relay, client, visit } = await tunnel({ maxRequestsPerAddress: 1, limitExempt: [] });
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 5", "hel");
    const { signal } = await slow.asked();
    const aborted = once(signal, "abort");
    visitor.close();
    await aborted;
    expect(await relay.record(1)).toMatchObject({ name: "app", outcome: "cancelled", status: undefined });
    slow.decide();
    // Its place is free, and the next request is the first that the client sees.
    visit("GET /next HTTP/1.1");
    await slow.asked(2);
    slow.decide();
    expect((await client.accept()).head.path).toBe("/next");
  });

  it("a rejection that comes too late is nobody's fault", async () => {
    const { logger, errors } = errorLog();
    const { slow, relay, visit } = await tunnel({ logger });
    const visitor = visit("GET / HTTP/1.1");
    await slow.asked();
    visitor.close();
    await relay.record(1);
    slow.decide(new Error("aborted"));
    await relay.close();
    expect(errors).toEqual([]);
  });

  it("answers keep the order of pipelined requests", async () => {
    const asked: string[] = [];
    let decide: (word: undefined) => void = () => {};
    const { client, visit } = await tunnel({
      judges: [
        ({ path }) => {
          asked.push(path);
          if (path === "/2") return refusal;
          return new Promise<undefined>((resolve) => {
            decide = resolve;
          });
        },
      ],
    });
    const visitor = visit("GET /1 HTTP/1.1");
    visitor.request("GET /2 HTTP/1.1\nConnection: close");
    // The second has been refused by the time that a third visitor's request has come and gone.
    await visit("GET /2 HTTP/1.1\nConnection: close").all();
    expect(asked).toEqual(["/1", "/2", "/2"]);
    expect(visitor.received).toBe("");
    decide(undefined);
    answer(await client.accept(), "the first");
    expect(await visitor.all()).toMatch(/^HTTP\/1\.1 200 [^]*the firstHTTP\/1\.1 401 [^]*a key is required$/);
  });

  it("an upgrade waits, and loses nothing of what the visitor sends meanwhile", async () => {
    const { slow, client, visit, relay } = await tunnel();
    const visitor = visit("GET /ws HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket", "early");
    expect(await slow.asked()).toMatchObject({ asksForUpgrade: true, hasBody: false });
    visitor.socket.write(" and more");
    slow.decide();
    const exchange = await client.accept();
    exchange.stream.sendHead({ status: 101, headers: ["Upgrade", "websocket"] });
    await exchange.bytes(14);
    expect(exchange.body).toBe("early and more");
    exchange.stream.end();
    visitor.socket.end();
    await visitor.closed;
    expect(await relay.record(1)).toMatchObject({ status: 101, outcome: "completed" });
  });

  it("an upgrade can be refused, and its visitor can leave", async () => {
    const { slow, visit, relay } = await tunnel();
    const head = "GET /ws HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket";
    const refused = visit(head);
    await slow.asked();
    slow.decide(refusal);
    expect(await refused.all()).toMatch(
      /^HTTP\/1\.1 401 [^]*\r\nWWW-Authenticate: Bearer realm="x"\r\n[^]*a key is required$/,
    );
    const leaves = visit(head);
    await slow.asked(2);
    leaves.close();
    expect(await relay.record(2)).toMatchObject({ outcome: "cancelled" });
  });

  it("a body that is large costs a refused visitor the connection, and not the answer", async () => {
    const { slow, visit } = await tunnel({ maxRequestBodyBytes: 64 * 2 ** 20 });
    const visitor = visit(`POST / HTTP/1.1\nContent-Length: ${32 * 2 ** 20}`);
    await slow.asked();
    for (let i = 0; i < 4; i++) visitor.socket.write(Buffer.alloc(2 ** 20));
    slow.decide(refusal);
    expect(await visitor.all()).toMatch(/^HTTP\/1\.1 401 [^]*Connection: close\r\n[^]*a key is required$/);
  });

  describe("with a clock that stands still", () => {
    // The relay's timers alone.
    const stopClock = (): void => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      opened({ close: () => vi.useRealTimers() });
    };

    it("an answer without a body does not wait for the rest of the request", async () => {
      const { slow, visit } = await tunnel();
      stopClock();
      const visitor = visit("POST / HTTP/1.1\nContent-Length: 1000000", "some of it");
      await slow.asked();
      slow.decide({ status: 302, code: "login", text: "", fields: ["Location", "/login"] });
      const head = await visitor.until((text) => text.endsWith("\r\n\r\n"));
      expect(head).toMatch(/^HTTP\/1\.1 302 [^]*Location: \/login\r\n/);
    });

    it("the time that a judge takes is none of that for the response", async () => {
      const { slow, visit, client } = await tunnel({ responseTimeoutMs: 1_000 });
      stopClock();
      const visitor = visit("GET / HTTP/1.1\nConnection: close");
      await slow.asked();
      vi.advanceTimersByTime(900);
      slow.decide();
      const exchange = await client.accept();
      vi.advanceTimersByTime(900);
      answer(exchange);
      expect(await visitor.all()).toMatch(/^HTTP\/1\.1 200 /);
    });
  });
});

describe("while a judge decides, over HTTP/2", () => {
  const connectHead = { ":method": "CONNECT", ":protocol": "websocket", ":path": "/ws" };

  async function tunnel(options: Partial<RelayOptions> = {}) {
    const slow = new SlowJudge();
    const relay = opened(await startRelay({ tls: { files: [files] }, judges: [slow.judge], ...options }));
    const entrance = opened(await plainEntrance(relay.port));
    const client = opened(await V1Client.connect(entrance.port, "app"));
    const visitor = opened(await Http2Visitor.connect(relay.port));
    return { slow, relay, client, visitor };
  }

  it("an expectation is not answered, and other requests of the connection are", async () => {
    const { slow, client, visitor } = await tunnel();
    const first = visitor.request({ ":method": "POST", expect: "100-continue" }, null).read();
    await slow.asked();
    const second = visitor.request({ ":path": "/second" }).read();
    await slow.asked(2);
    slow.decide(refusal);
    expect((await first.head)[":status"]).toBe(401);
    expect(first.interim).toEqual([]);
    slow.decide();
    answer(await client.accept());
    expect((await second.head)[":status"]).toBe(200);
  });

  it("a visitor who leaves ends it, and what the judge says then does nothing", async () => {
    const { slow, relay, client, visitor } = await tunnel({ maxRequestsPerAddress: 1, limitExempt: [] });
    const visit = visitor.request({ ":method": "POST" }, null);
    visit.stream.write("some of a body");
    const { signal } = await slow.asked();
    const aborted = once(signal, "abort");
    visit.stream.close(NGHTTP2_CANCEL);
    await aborted;
    expect(await relay.record(1)).toMatchObject({ name: "app", outcome: "cancelled", status: undefined });
    slow.decide();
    visitor.request({ ":path": "/next" });
    await slow.asked(2);
    slow.decide();
    expect((await client.accept()).head.path).toBe("/next");
  });

  it("a WebSocket waits, and loses nothing of what the visitor sends meanwhile (RFC 8441)", async () => {
    const { slow, client, visitor } = await tunnel();
    const visit = visitor.request(connectHead, null).read();
    expect(await slow.asked()).toMatchObject({ asksForUpgrade: true, method: "GET" });
    visit.stream.write("early");
    // The relay has it: what it answers to comes behind.
    await new Promise<unknown>((resolve) => visitor.session.ping(resolve));
    slow.decide();
    const exchange = await client.accept();
    const key = headerValue(exchange.head.headers, "sec-websocket-key") ?? "";
    exchange.stream.sendHead({ status: 101, headers: ["Sec-WebSocket-Accept", acceptOf(key)] });
    expect((await visit.head)[":status"]).toBe(200);
    await exchange.bytes(5);
    expect(exchange.body).toBe("early");
  });

  it("a WebSocket can be refused, and is not open for a 2xx (RFC 8441)", async () => {
    const { slow, visitor, relay } = await tunnel();
    const refused = visitor.request(connectHead, null).read();
    await slow.asked();
    slow.decide(refusal);
    expect(await refused.head).toMatchObject({ ":status": 401, "www-authenticate": 'Bearer realm="x"' });
    await refused.closed;
    expect(refused.body).toBe("a key is required");
    const odd = visitor.request(connectHead, null).read();
    await slow.asked(2);
    slow.decide({ ...refusal, status: 200 });
    expect((await odd.head)[":status"]).toBe(502);
    expect(await relay.record(2)).toMatchObject({ status: 502, code: "key_required" });
  });
});
