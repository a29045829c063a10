import { StreamReset, TunnelError, resetCodes, type ResetCode } from "mcp-tunnel-protocol";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createVisitor } from "../../../test/support/visitor.js";
import { errorOfOpen, errorOfReset, relayErrors } from "../src/http/answer/errors.js";
import type { RelayOptions } from "../src/index.js";
import { RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

async function setUp(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay(options));
  const visitor = opened(createVisitor(relay.port));
  const raw = (head: string, body = "") => {
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request(head, body);
    return visitor;
  };
  return { relay, visitor, raw };
}

describe("the relay's own answers", () => {
  it.each<[ResetCode, number, string]>([
    ["upstream_unreachable", 502, "upstream error"],
    ["upstream_failed", 502, "upstream error"],
    ["upstream_timeout", 504, "tunnel timeout"],
    ["body_too_large", 502, "tunnel response body too large"],
    ["bad_message", 502, "invalid response"],
    ["refused", 502, "tunnel dropped request"],
    ["overloaded", 503, "tunnel overloaded"],
    ["cancelled", 502, "tunnel dropped request"],
    ["no_error", 502, "tunnel dropped request"],
    ["session_lost", 502, "tunnel dropped request"],
    ["internal", 502, "relay error"],
  ])("to a stream that was reset with %s is %s", (code, status, text) => {
    expect(relayErrors[errorOfReset(new StreamReset(code, ""))]).toMatchObject({ status, text });
  });

  it("knows every reset code", () => {
    for (const code of Object.keys(resetCodes) as ResetCode[]) {
      expect(errorOfReset(new StreamReset(code, ""))).toBeDefined();
    }
  });

  it.each([
    [new TunnelError("overloaded", ""), 503, "tunnel overloaded"],
    [new TunnelError("draining", ""), 503, "tunnel draining"],
    [new TunnelError("session_closed", ""), 502, "tunnel disconnected"],
    [new Error("?"), 502, "relay error"],
  ])("when no stream can be opened: %s", (error, status, text) => {
    expect(relayErrors[errorOfOpen(error)]).toMatchObject({ status, text });
  });

  // MCP clients take these statuses for the server's, and start a new session or fall back to an old
  // transport.
  it("never say 400, 404 or 405 about a tunnel", () => {
    for (const [code, { status }] of Object.entries(relayErrors)) {
      if (code.startsWith("tunnel") || code.includes("response") || code.startsWith("upstream")) {
        // Nobody takes a 429 for more than it says: too much was asked, and later there is an answer.
        expect(status === 429 || status >= 502, code).toBe(true);
      }
    }
  });

  it.each([
    ["no Host", "GET / HTTP/1.1", 400, "missing host header"],
    ["an empty Host", "GET / HTTP/1.1\r\nHost:", 400, "missing host header"],
    ["no Host in HTTP/1.0", "GET / HTTP/1.0", 400, "missing host header"],
    ["two Hosts", "GET / HTTP/1.1\r\nHost: a.localhost\r\nHost: b.localhost", 400, "invalid host header"],
    ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b", 400, "invalid host header"],
    ["another domain", "GET / HTTP/1.1\r\nHost: a.test", 421, "this relay does not serve this host name"],
    ["an unknown name", "GET / HTTP/1.1\r\nHost: a.localhost", 502, "tunnel not found"],
    [
      "an absolute target that disagrees",
      "GET http://b.localhost/ HTTP/1.1\r\nHost: a.localhost",
      400,
      "invalid host header",
    ],
    [
      "a target that is none",
      "GET ftp://a.localhost/ HTTP/1.1\r\nHost: a.localhost",
      400,
      "invalid request target",
    ],
  ])("to %s", async (_, head, status, text) => {
    const { relay } = await setUp();
    const visitor = opened(new RawVisitor(relay.port));
    visitor.socket.write(`${head}\r\nConnection: close\r\n\r\n`);
    const answer = await visitor.all();
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*\r\n\r\n${text}$`));
    expect(answer).toContain("Cache-Control: no-store\r\n");
    expect(answer).toContain("X-Tunnel-Error: ");
  });

  it("say when to try again", async () => {
    const { visitor } = await setUp();
    const answer = await visitor.visit("nobody", "/");
    expect(answer.headers["retry-after"]).toBe("5");
    await answer.body.dump();
  });

  it("say that no head came in time, and tell the client", async () => {
    const { relay, visitor } = await setUp({ responseTimeoutMs: 50 });
    const client = opened(await V1Client.connect(relay.port, "app"));
    const answer = visitor.text("app", "/");
    expect((await (await client.accept()).wasReset).code).toBe("upstream_timeout");
    expect(await answer).toEqual({ status: 504, text: "tunnel timeout" });
  });

  it("give a long upload its time: the wait begins with its last byte", async () => {
    const { relay, raw } = await setUp({ responseTimeoutMs: 1_000 });
    const client = opened(await V1Client.connect(relay.port, "app"));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    opened({ close: () => vi.useRealTimers() });
    const visitor = raw("POST / HTTP/1.1\nContent-Length: 5\nConnection: close");
    const exchange = await client.accept();
    for (const [i, piece] of ["he", "l", "l", "o"].entries()) {
      visitor.socket.write(piece);
      await exchange.bytes(i + 2);
      vi.advanceTimersByTime(900);
    }
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 204 /);
  });

  it("say that a tunnel has too many streams", async () => {
    const { relay, visitor } = await setUp({ maxStreamsPerTunnel: 1 });
    const client = opened(await V1Client.connect(relay.port, "app"));
    const first = visitor.text("app", "/1");
    const exchange = await client.accept();
    expect(await visitor.text("app", "/2")).toEqual({ status: 503, text: "tunnel overloaded" });
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    expect((await first).status).toBe(204);
  });
});

describe("their form", () => {
  const rpc = { jsonrpc: "2.0", id: 7, method: "tools/list" };
  const post = (body: string, headers: Record<string, string> = {}) => ({
    method: "POST" as const,
    body,
    headers: { "content-type": "application/json", ...headers },
  });

  it.each([
    ["a number", rpc, 7],
    ["a string", { ...rpc, id: "x" }, "x"],
    ["none: a notification", { jsonrpc: "2.0", method: "x" }, null],
  ])("is a JSON-RPC error for a JSON-RPC request whose id is %s", async (_, body, id) => {
    const { visitor } = await setUp();
    const answer = await visitor.visit("nobody", "/mcp", post(JSON.stringify(body)));
    expect(answer.statusCode).toBe(502);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(await answer.body.json()).toEqual({
      jsonrpc: "2.0",
      id,
      error: {
        code: -32000,
        message: "tunnel not found",
        data: { code: "tunnel_not_found", status: 502 },
      },
    });
  });

  it("has the id also when the client had the body already", async () => {
    const { relay, visitor } = await setUp();
    const client = opened(await V1Client.connect(relay.port, "app"));
    const answer = visitor.text("app", "/mcp", post(JSON.stringify(rpc)));
    const exchange = await client.accept();
    await exchange.ended;
    exchange.stream.reset("upstream_unreachable");
    expect(JSON.parse((await answer).text)).toMatchObject({ id: 7, error: { message: "upstream error" } });
  });

  it.each([
    ["accept", "application/json, text/event-stream"],
    ["mcp-session-id", "x"],
    ["mcp-protocol-version", "2025-06-18"],
    ["mcp-method", "tools/call"],
  ])("is a JSON-RPC error with id null when only %s tells an MCP client", async (name, value) => {
    const { visitor } = await setUp();
    const answer = await visitor.text("nobody", "/mcp", post("[]", { [name]: value }));
    expect(JSON.parse(answer.text)).toMatchObject({ id: null, error: { code: -32000 } });
  });

  it.each(["{}", "not JSON", "[]", '{"jsonrpc":"1.0","id":1}', ""])(
    "is plain text for other JSON: %j",
    async (body) => {
      const { visitor } = await setUp();
      expect(await visitor.text("nobody", "/", post(body))).toEqual({
        status: 502,
        text: "tunnel not found",
      });
    },
  );

  it("does not wait long for an id that does not come", async () => {
    const { raw } = await setUp();
    const head =
      "POST / HTTP/1.1\nHost: nobody.localhost\nContent-Type: application/json\nContent-Length: 50";
    const visitor = raw(`${head}\nAccept: text/event-stream`, "{");
    const answer = await visitor.until((text) => text.endsWith("}}"));
    expect(answer).toMatch(/"id":null/);
  });

  it("is a page for a browser", async () => {
    const { visitor } = await setUp();
    const headers = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    const answer = await visitor.visit("nobody", "/<script>", { headers });
    expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
    const text = await answer.body.text();
    expect(text).toContain("<h1>tunnel not found</h1>");
    expect(text).toContain("start mcp-tunnel-client");
    expect(text).toContain(`Request ${answer.headers["x-request-id"]}<`);
    expect(text).not.toContain("<script>");
    expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
  });
});

describe("the relay's pages", () => {
  const asBrowser = { headers: { accept: "text/html" } };
  const pageOf = async (options: Partial<RelayOptions>, name = "nobody", path = "/") => {
    const { visitor } = await setUp(options);
    return (await visitor.visit(name, path, asBrowser)).body.text();
  };

  it.each([
    [
      { name: "Team <T>", contact: "help@example.com" },
      'Run by Team &lt;T&gt;, <a href="mailto:help@example.com">help@example.com</a>',
    ],
    [
      { contact: "https://example.com/help?a=1&b=2" },
      'Contact: <a href="https://example.com/help?a=1&amp;b=2">example.com/help?a=1&amp;b=2</a>',
    ],
    [{ contact: "mailto:a@example.com" }, 'Contact: <a href="mailto:a@example.com">a@example.com</a>'],
    [{ name: "Team T" }, "Run by Team T"],
  ])("name the operator %o", async (operator, text) => {
    expect(await pageOf({ operator })).toContain(`<br>${text}</p>`);
    expect(await pageOf({ operator }, "www")).toContain(`<br>${text}</p>`);
  });

  it("say nothing of an operator who has given nothing", async () => {
    expect(await pageOf({})).not.toMatch(/Run by|Contact/);
  });

  it.each([
    [{ contact: "javascript:alert(1)" }, "operator.contact"],
    [{ contact: "data:text/html,x" }, "operator.contact"],
    [{ contact: "nobody" }, "operator.contact"],
    [{ contact: "a@example.com\nBcc: b@example.com" }, "operator.contact"],
    [{ name: "" }, "operator.name"],
    [{ name: "a\u202Eb" }, "operator.name"],
    [{ name: "a".repeat(101) }, "operator.name"],
    [{ nam: "a" }, "nam"],
  ])("cannot have the operator %o", async (operator, place) => {
    const refused = { message: expect.stringContaining(place), code: "invalid_option" };
    await expect(startRelay({ operator } as never)).rejects.toMatchObject(refused);
  });

  it("lead on: to another try where one may help, and from an unknown page to the known one", async () => {
    expect(await pageOf({})).toContain('<a href="">Try again</a>');
    const { relay } = await setUp();
    const lost = await fetch(`http://127.0.0.1:${relay.port}/nowhere`, asBrowser);
    expect([lost.status, lost.headers.get("content-type")]).toEqual([421, "text/html; charset=utf-8"]);
    expect(await lost.text()).not.toContain("Try again");
  });

  it("do not offer to send a body again", async () => {
    const { visitor } = await setUp();
    const answer = await visitor.visit("nobody", "/", { ...asBrowser, method: "POST", body: "a=b" });
    expect(await answer.body.text()).not.toContain("Try again");
  });
});

describe("a body that nobody wants", () => {
  it("is read when it is small, and the connection goes on", async () => {
    const { raw } = await setUp();
    const visitor = raw("POST / HTTP/1.1\nHost: nobody.localhost\nContent-Length: 3", "abc");
    visitor.request("GET / HTTP/1.1\nHost: nobody.localhost\nConnection: close");
    expect((await visitor.all()).match(/HTTP\/1.1 502/g)).toHaveLength(2);
  });

  it("costs the connection when it is large; the answer arrives all the same", async () => {
    const { raw } = await setUp();
    const visitor = raw("POST / HTTP/1.1\nHost: nobody.localhost\nContent-Length: 100000000", "abc");
    // The body is more than the socket buffers hold, so a reset would overtake the answer.
    for (let i = 0; i < 4; i++) visitor.socket.write(Buffer.alloc(2 ** 20));
    expect(await visitor.all()).toMatch(
      /^HTTP\/1.1 413 [^]*Connection: close\r\n[^]*request body too large$/,
    );
  });
});

describe("the domain itself", () => {
  it("shows a page", async () => {
    const { raw } = await setUp();
    const visitor = raw("GET /?x HTTP/1.1\nHost: LOCALHOST:80\nConnection: close");
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 200 [^]*http:\/\/myapp\.localhost:\d+[^]*<\/html>\n$/);
  });

  it("has no other page, and says where its page is", async () => {
    const { raw } = await setUp({ operator: { name: "Team T" } });
    const get = (fields: string) => raw(`GET /x HTTP/1.1\nHost: localhost${fields}\nConnection: close`).all();
    expect(await get("")).toMatch(/^HTTP\/1.1 404 [^]*text\/plain[^]*\r\n\r\nnot found$/);
    expect(await get("\nAccept: text/html")).toMatch(/^HTTP\/1.1 404 [^]*<a href="\/">[^]*Run by Team T/);
  });

  it("names the addresses that hold from outside, whatever Host the visitor sent", async () => {
    const { raw, relay } = await setUp({ publicUrl: "http://{subdomain}.{domain}:{port}" });
    const page = await raw("GET / HTTP/1.1\nHost: localhost:1\nConnection: close").all();
    expect(page).toContain(`<code>http://myapp.localhost:${relay.port}</code>`);
    expect(page).toContain(`--relay http://localhost:${relay.port} `);
  });

  it.each([
    ["GET /x", 404],
    ["POST /", 405],
  ])("answers %s with %s", async (line, status) => {
    const { raw } = await setUp();
    const visitor = raw(`${line} HTTP/1.1\nHost: localhost\nConnection: close`);
    expect(await visitor.all()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });
});

describe("a tunnel of the JSON wire", () => {
  async function setUpJson(options: Partial<RelayOptions> = {}) {
    const base = await setUp(options);
    const client = opened(await ScriptedClient.registered(base.relay.port, { token: "t", subdomain: "app" }));
    return { ...base, client };
  }

  it("needs no word from its client for a body that the visitor offers", async () => {
    const { client, raw } = await setUpJson();
    const visitor = raw(
      "POST / HTTP/1.1\nContent-Length: 2\nExpect: 100-continue\nConnection: close\nX-A: 1\nX-A: 2",
    );
    await visitor.until((text) => text.endsWith("HTTP/1.1 100 Continue\r\n\r\n"));
    visitor.socket.write("ok");
    const request = await client.next();
    expect(Object.keys(request["headers"] as object).join()).not.toMatch(/expect/i);
    expect(request["body"]).toBe(Buffer.from("ok").toString("base64"));
    client.send({ id: request["id"], status: 201, headers: { "X-B": "2" }, body: null });
    expect(await visitor.all()).toMatch(/HTTP\/1.1 201 Created\r\nX-B: 2\r\n/);
  });

  it("takes an upgrade for an ordinary request, and the answer is one", async () => {
    const { client, raw, relay } = await setUpJson();
    const visitor = raw("GET /ws HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket");
    const request = await client.next();
    expect(request).toMatchObject({ method: "GET", path: "/ws", body: null });
    client.send({
      id: request["id"],
      status: 426,
      headers: {},
      body: Buffer.from("no").toString("base64"),
    });
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 426 [^]*\r\n\r\nno$/);
    expect(await relay.record(1)).toMatchObject({ wire: "json-0.1", status: 426, outcome: "completed" });
  });

  it("drops what it had open when its client goes, and is not waited for", async () => {
    const { client, visitor, relay } = await setUpJson();
    const open = visitor.text("app", "/");
    await client.next();
    client.close();
    expect(await open).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(await visitor.text("app", "/")).toEqual({ status: 502, text: "tunnel not found" });
    expect(relay.records).toHaveLength(2);
  });

  it("says that a whole response is too large, and goes on", async () => {
    const { client, visitor } = await setUpJson({ maxResponseBodyBytes: 10 });
    const large = visitor.text("app", "/");
    const request = await client.next();
    const body = Buffer.alloc(1_000_000).toString("base64");
    client.send({ id: request["id"], status: 200, headers: {}, body });
    expect(await large).toEqual({ status: 502, text: "tunnel response body too large" });
    void client.serve("small");
    expect(await visitor.text("app", "/")).toEqual({ status: 200, text: "small" });
  });
});
