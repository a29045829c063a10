import { setMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import {
  type ClientCommand,
  type RelayCommand,
  startClientCommand,
  startRelayCommand,
} from "../support/commands.js";
import { type RawServer, startRawServer } from "../support/raw-server.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, rawExchange, type Visitor } from "../support/visitor.js";

// The answers that a visitor of the two commands gets when something goes wrong, row by row of the table in
// the relay's README. After each, the next request works.

const closing = closingAfterEach();

describe("a visitor", () => {
  let relay: RelayCommand;
  let upstream: Upstream;
  let client: ClientCommand;
  let visitor: Visitor;
  beforeAll(async () => {
    upstream = await startUpstream();
    relay = await startRelayCommand([
      ...["--response-timeout", "1s", "--startup-hold", "0"],
      ...["--max-request-body", "100000", "--max-response-body", "100000"],
    ]);
    client = await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]);
    visitor = createVisitor(relay.port);
  });
  afterAll(async () => {
    await visitor.close();
    await client.close();
    await relay.close();
    await upstream.close();
  });

  async function expectNextToWork(): Promise<void> {
    expect(await visitor.text("app", "/status/200")).toEqual({ status: 200, text: "status 200\n" });
  }

  it.each([
    ["no Host", "GET / HTTP/1.1", "400", "missing host header"],
    ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b", "400", "invalid host header"],
    [
      "a foreign Host",
      "GET / HTTP/1.1\r\nHost: example.org",
      "421",
      "this relay does not serve this host name",
    ],
    [
      "two labels",
      "GET / HTTP/1.1\r\nHost: a.app.localhost",
      "421",
      "this relay does not serve this host name",
    ],
    [
      "the domain, to register without a WebSocket",
      "GET /_tunnel/register HTTP/1.1\r\nHost: localhost",
      "426",
      "tunnel registration needs a WebSocket",
    ],
  ])("with %s", async (_, head, status, text) => {
    const answer = await rawExchange(relay.port, `${head}\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.endsWith(`\r\n\r\n${text}`), answer).toBe(true);
    await expectNextToWork();
  });

  it("of a name that nobody has", async () => {
    expect(await visitor.text("nobody", "/")).toEqual({ status: 502, text: "tunnel not found" });
  });

  it("who sends too much, with a length or without", async () => {
    const options = { method: "POST", body: Buffer.alloc(100_001) } as const;
    expect(await visitor.text("app", "/echo", options)).toEqual({
      status: 413,
      text: "request body too large",
    });
    const pieces = Readable.from(Array.from({ length: 11 }, () => Buffer.alloc(10_000)));
    const chunked = { method: "POST", body: pieces } as const;
    expect(await visitor.text("app", "/hash", chunked)).toEqual({
      status: 413,
      text: "request body too large",
    });
    const allowed = { method: "POST", body: Buffer.alloc(100_000) } as const;
    expect((await visitor.text("app", "/hash", allowed)).text).toContain('"length":100000');
  });

  it("who asks for too much, with a length or without", async () => {
    const tooLarge = { status: 502, text: "tunnel response body too large" };
    expect(await visitor.text("app", "/bytes/100001")).toEqual(tooLarge);
    // The relay notices it when the head is on its way already, so that it can only cut the answer.
    await expect(visitor.text("app", "/bytes/100001?chunked")).rejects.toThrow();
    expect((await visitor.text("app", "/bytes/100000")).text.length).toBeGreaterThan(0);
  });

  it("of a service that does not answer, or resets", async () => {
    expect(await visitor.text("app", "/hang")).toEqual({ status: 504, text: "tunnel timeout" });
    expect(await visitor.text("app", "/reset")).toEqual({ status: 502, text: "upstream error" });
    await expect(visitor.text("app", "/cut/10")).rejects.toThrow();
    await expect(visitor.text("app", "/short/10")).rejects.toThrow();
    await expectNextToWork();
  });

  it("in words that it understands: JSON-RPC, a page, or text; all with a stable code", async () => {
    const call = { method: "POST", body: '{"jsonrpc":"2.0","id":"a1","method":"tools/list"}' } as const;
    const rpc = await visitor.visit("nobody", "/mcp", {
      ...call,
      headers: { "content-type": "application/json" },
    });
    expect(rpc.statusCode).toBe(502);
    expect(rpc.headers).toMatchObject({ "x-tunnel-error": "tunnel_not_found", "retry-after": "5" });
    expect(await rpc.body.json()).toEqual({
      jsonrpc: "2.0",
      id: "a1",
      error: {
        code: -32000,
        message: "tunnel not found",
        data: { code: "tunnel_not_found", status: 502 },
      },
    });
    const page = await visitor.visit("nobody", "/", { headers: { accept: "text/html" } });
    expect(page.headers).toMatchObject({
      "x-tunnel-error": "tunnel_not_found",
      "content-type": "text/html; charset=utf-8",
    });
    expect(await page.body.text()).toMatch(/^<!doctype html>/);
  });
});

describe("a local service", () => {
  const garbage: [string, string][] = [
    ["that speaks something else", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["that answers bytes", "\u0000\u0001\u00ff"],
    ["that ends without a word", ""],
    ["with a field that is none", "HTTP/1.1 200 OK\r\nno field\r\n\r\n"],
    ["with two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["with an endless head", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`],
  ];

  it("that is down or answers garbage gets the visitor 502, and the next request works", async () => {
    let answer = "";
    const service: RawServer = closing(
      await startRawServer((socket) => {
        socket.once("data", () => socket.end(answer, "latin1"));
      }),
    );
    const relay = closing(await startRelayCommand());
    const client = closing(await startClientCommand(service.port, relay.port, ["--subdomain", "app"]));
    const visitor = closing(createVisitor(relay.port));
    for (const [what, bytes] of garbage) {
      answer = bytes;
      // A service that answers garbage has another text than a service that answers nothing.
      const text = bytes === "" ? "upstream error" : "invalid response";
      expect(await visitor.text("app", "/"), what).toEqual({ status: 502, text });
    }
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    expect(await visitor.text("app", "/")).toEqual({ status: 200, text: "ok" });
    await service.close();
    expect(await visitor.text("app", "/")).toEqual({ status: 502, text: "upstream error" });
    const said = await client.waitForJson({ event: "error", code: "upstream_unreachable" });
    expect(said["message"]).toMatch(
      new RegExp(
        `cannot reach http://localhost:${service.port}: .*refused at .*127\\.0\\.0\\.1:${service.port}`,
      ),
    );
  });
});

describe("a client", () => {
  it("that is killed drops its requests; new ones wait a moment for it, and then are refused", async () => {
    const upstream = closing(await startUpstream());
    const relay = closing(await startRelayCommand(["--hold-timeout", "300ms", "--resume-timeout", "1500ms"]));
    const client = closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    const visitor = closing(createVisitor(relay.port));
    const arrived = upstream.nextRequest();
    const open = visitor.text("app", "/hang");
    await arrived;
    client.child.kill("SIGKILL");
    await client.exited;
    expect(await visitor.text("app", "/")).toEqual({ status: 503, text: "tunnel reconnecting" });
    expect(await open).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(await visitor.text("app", "/")).toEqual({ status: 502, text: "tunnel not found" });
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    expect((await visitor.text("app", "/status/200")).status).toBe(200);
  });

  it("takes so many requests at a time, and the next ones when some have ended", {
    timeout: 60_000,
  }, async () => {
    const upstream = closing(await startUpstream());
    const relay = closing(await startRelayCommand());
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    const visitor = closing(createVisitor(relay.port));
    const leave = new AbortController();
    setMaxListeners(0, leave.signal);
    const open = Array.from({ length: 1_024 }, () => visitor.text("app", "/hang", { signal: leave.signal }));
    const all = Promise.allSettled(open);
    while (upstream.requests.length < open.length) await upstream.nextRequest();
    const answer = await visitor.visit("app", "/");
    expect({ status: answer.statusCode, text: await answer.body.text() }).toEqual({
      status: 503,
      text: "tunnel overloaded",
    });
    expect(answer.headers["retry-after"]).toBe("1");
    leave.abort();
    await all;
    await relay.waitForJson({ path: "/hang", outcome: "cancelled" }, open.length);
    expect((await visitor.text("app", "/status/200")).status).toBe(200);
  });
});

describe("secrets", () => {
  it("stand in nobody's log, whatever happens", async () => {
    const upstream = closing(await startUpstream());
    const secrets = {
      token: "s3cret-token-1",
      unknown: "s3cret-token-2",
      authorization: "Bearer s3cret-3",
      cookie: "session=s3cret-4",
      query: "s3cret-5",
    };
    const relay = closing(
      await startRelayCommand(["--static-token", `${secrets.token}:app`, "--log-level", "debug"]),
    );
    const client = closing(await startClientCommand(upstream.port, relay.port, ["--token", secrets.token]));
    await expect(startClientCommand(upstream.port, relay.port, ["--token", secrets.unknown])).rejects.toThrow(
      /^(?![^]*s3cret-token-2)[^]*invalid token/,
    );
    const visitor = closing(createVisitor(relay.port));
    const headers = { authorization: secrets.authorization, cookie: secrets.cookie };
    for (const path of ["/status/200", "/reset", "/cut/5"]) {
      await visitor.text("app", `${path}?key=${secrets.query}`, { headers }).catch(() => {});
      await relay.waitForJson({ path });
    }
    await visitor.text("nobody", `/x?key=${secrets.query}`, { headers });
    await relay.waitForJson({ path: "/x" });
    await client.close();
    await relay.close();
    expect(relay.output).not.toContain("s3cret");
    // The client shows its own user the query, and no other secret.
    expect(client.output.replaceAll(secrets.query, "")).not.toContain("s3cret");
  });
});
