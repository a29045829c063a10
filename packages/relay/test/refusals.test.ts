import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import type { Refusal } from "mcp-tunnel-protocol";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import type { CertificateFiles, RelayOptions } from "../src/index.js";
import { Http2Visitor, plainEntrance } from "./http2-support.js";
import { RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

/**
 * The fault: when the relay refused a request in the name of a tunnel, only the visitor saw that. The
 * developer, whose upload of 6 MB failed, saw nothing at all, and looked for the mistake in the service.
 */
const opened = closingAfterEach();
const instance = "an instance of a client";

async function tunnel(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay(options));
  const client = opened(await V1Client.connect(relay.port, "app", { refusals: true, instance }));
  const visit = (head: string, body = "") => {
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request(head, body);
    return visitor;
  };
  return { relay, client, visit };
}

function refusal(code: Refusal["code"], status: number | undefined, path: string, limit?: string): Refusal {
  const [option = "", value, unit] = limit?.split(" ") ?? [];
  return {
    code,
    status,
    count: 1,
    method: "GET",
    path,
    limit:
      limit === undefined
        ? undefined
        : { option, value: Number(value), unit: unit as "bytes" | "count" | "ms" },
  };
}

describe("a client is told of", () => {
  it("a request body over the limit by its announced length, and without the query", async () => {
    const { client, visit } = await tunnel({ maxRequestBodyBytes: 100 });
    visit("POST /upload?secret=1 HTTP/1.1\nContent-Length: 101");
    const told = refusal("request_too_large", 413, "/upload", "max-request-body 100 bytes");
    expect(await client.refusals(1)).toEqual([{ ...told, method: "POST" }]);
  });

  it("one that turns out to be while it comes", async () => {
    const { client, visit } = await tunnel({ maxRequestBodyBytes: 100 });
    visit("POST /upload HTTP/1.1\nTransfer-Encoding: chunked", `80\r\n${"x".repeat(128)}\r\n`);
    const told = refusal("request_too_large", 413, "/upload", "max-request-body 100 bytes");
    expect(await client.refusals(1)).toEqual([{ ...told, method: "POST" }]);
    expect((await (await client.accept()).wasReset).code).toBe("body_too_large");
  });

  it.each<[string, Partial<RelayOptions>, string, Refusal]>([
    [
      "too many fields",
      { maxHeaderCount: 10 },
      `GET /f HTTP/1.1\n${"X: 1\n".repeat(11)}Y: 2`,
      refusal("headers_too_large", 431, "/f", "max-header-count 10 count"),
    ],
    [
      "a target that is too long, of which it sees the beginning",
      { maxUrlBytes: 300 },
      `GET /${"u".repeat(300)} HTTP/1.1`,
      refusal("url_too_long", 414, `/${"u".repeat(196)}...`, "max-url-length 300 bytes"),
    ],
    [
      "a head that is too large",
      { maxHeaderBytes: 1_024 },
      `GET /h?q HTTP/1.1\nCookie: ${"c".repeat(2_000)}\nHost: app.localhost`,
      refusal("headers_too_large", 431, "/h", "max-header-size 1024 bytes"),
    ],
    [
      "a byte in the target that Node does not take",
      {},
      "GET /caf\xe9 HTTP/1.1\nHost: app.localhost",
      refusal("invalid_target", 400, "/caf?"),
    ],
    [
      "a request that nobody can tell the end of",
      {},
      "GET /f HTTP/1.0\nTransfer-Encoding: chunked",
      refusal("invalid_framing", 400, "/f"),
    ],
  ])("%s", async (_name, options, head, told) => {
    const { client, visit } = await tunnel(options);
    visit(head);
    expect(await client.refusals(1)).toEqual([told]);
  });

  it("more requests of one address than are allowed", async () => {
    const { client, visit } = await tunnel({ maxRequestsPerAddress: 1, limitExempt: [] });
    visit("GET /one HTTP/1.1");
    await client.accept();
    visit("GET /two HTTP/1.1");
    const limit = "max-requests-per-address 1 count";
    expect(await client.refusals(1)).toEqual([refusal("too_many_requests", 429, "/two", limit)]);
  });

  it("more streams than the tunnel may have", async () => {
    const { client, visit } = await tunnel({ maxStreamsPerTunnel: 1 });
    visit("GET /one HTTP/1.1");
    await client.accept();
    visit("GET /two HTTP/1.1");
    const limit = "max-streams-per-tunnel 1 count";
    expect(await client.refusals(1)).toEqual([refusal("tunnel_overloaded", 503, "/two", limit)]);
  });

  it("an answer that took too long", async () => {
    const { client, visit } = await tunnel({ responseTimeoutMs: 50 });
    visit("GET /slow HTTP/1.1");
    const limit = "response-timeout 50 ms";
    expect(await client.refusals(1)).toEqual([refusal("tunnel_timeout", 504, "/slow", limit)]);
  });

  it("a request body that stopped coming", async () => {
    const { client, visit } = await tunnel({ bodyTimeoutMs: 50 });
    visit("GET /half HTTP/1.1\nContent-Length: 10", "half");
    expect(await client.refusals(1)).toEqual([
      refusal("request_timeout", 408, "/half", "body-timeout 50 ms"),
    ]);
  });

  it("a response over the limit, by its announced length and in its midst", async () => {
    const { client, visit } = await tunnel({ maxResponseBodyBytes: 100 });
    visit("GET /declared HTTP/1.1");
    const declared = await client.accept();
    declared.stream.sendHead({ status: 200, headers: ["Content-Length", "101"] });
    const limit = "max-response-body 100 bytes";
    expect(await client.refusals(1)).toEqual([refusal("response_too_large", 502, "/declared", limit)]);
    visit("GET /cut HTTP/1.1");
    const cut = await client.accept();
    cut.stream.sendHead({ status: 200, headers: [] });
    cut.stream.write(Buffer.alloc(101));
    expect(await client.refusals(2)).toEqual([refusal("response_too_large", undefined, "/cut", limit)]);
  });

  it("a visitor who takes nothing of an answer", async () => {
    const { client, visit } = await tunnel({ writeTimeoutMs: 100 });
    const visitor = visit("GET /download HTTP/1.1");
    visitor.socket.pause();
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: [] });
    for (let i = 0; i < 128; i++) stream.write(Buffer.alloc(65_536));
    const limit = "write-timeout 100 ms";
    expect(await client.refusals(1)).toEqual([refusal("visitor_stalled", undefined, "/download", limit)]);
  });

  it("what is cut because too much waits for slow visitors", async () => {
    const { client, visit } = await tunnel({ maxQueuedBytesPerTunnel: 1_048_576 });
    const visitors = ["/a", "/b", "/c"].map((path) => visit(`GET ${path} HTTP/1.1`));
    for (const { socket } of visitors) {
      socket.pause();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { stream } = await client.accept();
      stream.sendHead({ status: 200, headers: [] });
      for (let i = 0; i < 128; i++) stream.write(Buffer.alloc(65_536));
    }
    const [told] = await client.refusals(1);
    expect(told).toMatchObject({ code: "tunnel_overloaded", status: undefined, method: "", path: "" });
    expect(told?.limit).toMatchObject({ option: "max-queued-bytes-per-tunnel", value: 1_048_576 });
  });

  it("nothing that it knows better itself", async () => {
    const { client, visit, relay } = await tunnel();
    visit("GET /down HTTP/1.1");
    (await client.accept()).stream.reset("upstream_unreachable", "connection refused");
    visit("GET /bad HTTP/1.1");
    (await client.accept()).stream.sendHead({ status: 200, headers: ["Content-Length", "x"] });
    await relay.record(2);
    visit("GET /long HTTP/1.1\nX: 1\nContent-Length: 99999999999");
    expect((await client.refusals(1)).map(({ path }) => path)).toEqual(["/long"]);
  });
});

describe("over HTTP/2 a client is told of", () => {
  let files: CertificateFiles;
  beforeAll(async () => {
    const folder = createFolder();
    const pair = await (await createAuthority()).issue(["localhost", "127.0.0.1"]);
    files = { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
    return () => folder.close();
  });

  async function secureTunnel(options: Partial<RelayOptions>) {
    const relay = opened(await startRelay({ tls: { files: [files] }, ...options }));
    const entrance = opened(await plainEntrance(relay.port));
    const client = opened(await V1Client.connect(entrance.port, "app", { refusals: true }));
    return { client, port: relay.port, visitor: opened(await Http2Visitor.connect(relay.port)) };
  }

  it("a body over the limit", async () => {
    const { client, visitor } = await secureTunnel({ maxRequestBodyBytes: 100 });
    visitor.request({ ":path": "/upload", ":method": "POST" }, Buffer.alloc(101));
    const told = refusal("request_too_large", 413, "/upload", "max-request-body 100 bytes");
    expect(await client.refusals(1)).toEqual([{ ...told, method: "POST" }]);
  });

  it("a target that is too long", async () => {
    const { client, visitor } = await secureTunnel({ maxUrlBytes: 20 });
    visitor.request({ ":path": "/a-path-that-is-too-long" });
    const told = refusal("url_too_long", 414, "/a-path-that-is-too-long", "max-url-length 20 bytes");
    expect(await client.refusals(1)).toEqual([told]);
  });

  it.each([
    [
      "came in pieces",
      ["GET /pieces HTTP/1.1\r\nHost: app.localhost\r\n", `Cookie: ${"c".repeat(2_000)}\r\n\r\n`],
    ],
    ["may be for another name", [`GET /others HTTP/1.1\r\nCookie: ${"c".repeat(2_000)}\r\n`]],
  ])(
    "a head of HTTP/1.1 beside it that is too large and %s, by the name in the handshake",
    async (_, records) => {
      const { client, port } = await secureTunnel({ maxHeaderBytes: 1_024 });
      const secure = connectTls({
        port,
        host: "127.0.0.1",
        servername: "app.localhost",
        rejectUnauthorized: false,
      });
      opened({ close: () => secure.destroy() });
      secure.on("error", () => {});
      await once(secure, "secureConnect");
      for (const record of records) secure.write(record);
      const told = refusal("headers_too_large", 431, "", "max-header-size 1024 bytes");
      expect(await client.refusals(1)).toEqual([{ ...told, method: "" }]);
    },
  );

  it("a WebSocket that announces a body", async () => {
    const { client, visitor } = await secureTunnel({});
    visitor.request(
      {
        ...{ ":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":path": "/u" },
        "content-length": "5",
      },
      null,
    );
    expect(await client.refusals(1)).toEqual([refusal("upgrade_with_body", 501, "/u")]);
  });

  it("a WebSocket that was not let in", async () => {
    const { client, visitor } = await secureTunnel({ responseTimeoutMs: 50 });
    visitor.request(
      { ":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":path": "/ws" },
      null,
    );
    expect(await client.refusals(1)).toEqual([
      refusal("tunnel_timeout", 504, "/ws", "response-timeout 50 ms"),
    ]);
  });
});

describe("a flood of refused requests", () => {
  it("is one message a second, whatever there are", async () => {
    const { relay, client, visit } = await tunnel({ maxRequestBodyBytes: 100, maxUrlBytes: 300 });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      visit("POST /0 HTTP/1.1\nContent-Length: 101");
      await client.refusals(1);
      for (let i = 1; i <= 100; i++) {
        visit(`POST /${i} HTTP/1.1\nContent-Length: 101`);
        visit(`GET /${"u".repeat(300)} HTTP/1.1`);
      }
      await relay.record(201);
      expect(client.refused.length).toBe(1);
      vi.advanceTimersByTime(1_000);
      const told = await client.refusals(2);
      expect(told.map(({ code, count }) => `${code} ${count}`).toSorted()).toEqual([
        "request_too_large 100",
        "url_too_long 100",
      ]);
      vi.advanceTimersByTime(60_000);
      visit("POST /0 HTTP/1.1\nContent-Length: 101");
      await client.refusals(3);
      expect(client.refused.length).toBe(3);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("while the client is away", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("what waited for it in vain is told after it has come back", async () => {
    const { relay, client, visit } = await tunnel({ holdTimeoutMs: 15_000, maxHeldRequests: 2 });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    client.cut();
    await relay.logged("tunnel away");
    for (let i = 0; i < 5; i++) visit(`GET /${i} HTTP/1.1`);
    // When three have been refused, two wait.
    await relay.record(3);
    vi.advanceTimersByTime(15_000);
    await relay.record(5);
    vi.useRealTimers();
    expect(client.refused).toEqual([]);
    await client.resume();
    const told = await client.refusals(1);
    expect(told.map(({ code, status, count, limit }) => [code, status, count, limit?.option])).toEqual([
      ["tunnel_reconnecting", 503, 3, "max-held-requests"],
      ["tunnel_reconnecting", 503, 2, "hold-timeout"],
    ]);
  });

  it("of what was lost with its session it hears in the next one", async () => {
    const { relay, client, visit } = await tunnel({ resumeTimeoutMs: 30_000, holdTimeoutMs: 60_000 });
    visit("GET /at-work HTTP/1.1");
    await client.accept();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    client.cut();
    await relay.logged("tunnel away");
    // When the second request has been answered, the first one waits.
    visit("GET /waits HTTP/1.1", "GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n");
    await relay.record(1);
    vi.advanceTimersByTime(30_000);
    await relay.record(3);
    vi.useRealTimers();
    // A stranger that takes the name does not hear of it, and neither does a process with another token.
    const stranger = await V1Client.connect(relay.port, "app", {
      refusals: true,
      instance: "a process of somebody else",
    });
    const other = await V1Client.connect(relay.port, "app", { refusals: true, instance, token: "other" });
    other.close();
    stranger.close();
    const again = opened(await V1Client.connect(relay.port, "app", { refusals: true, instance }));
    expect(await again.refusals(1)).toEqual([
      refusal("tunnel_dropped_request", 502, "/at-work"),
      refusal("tunnel_disconnected", 502, "/waits"),
    ]);
    expect([...stranger.refused, ...other.refused]).toEqual([]);
  });

  it("a client that registers anew in its own place hears of it at once", async () => {
    const { client, relay, visit } = await tunnel();
    visit("GET /at-work HTTP/1.1");
    await client.accept();
    const again = opened(await V1Client.connect(relay.port, "app", { refusals: true, instance }));
    expect(await again.refusals(1)).toEqual([refusal("tunnel_dropped_request", 502, "/at-work")]);
  });
});

describe("a client that has not announced it", () => {
  it("is told nothing if its wire cannot say it, whatever it has announced", async () => {
    const relay = opened(await startRelay({ maxUrlBytes: 10 }));
    const message = { token: "t", subdomain: "app", instance, refusals: true };
    const client = opened(await ScriptedClient.registered(relay.port, message));
    opened(new RawVisitor(relay.port)).request("GET /longer-than-that HTTP/1.1\n");
    await relay.record(1);
    opened(new RawVisitor(relay.port)).request("GET /ok HTTP/1.1");
    expect(await client.next()).toMatchObject({ path: "/ok" });
  });

  it.each([
    ["is told nothing", {}],
    ["is told nothing if it says no", { refusals: false }],
  ])("%s", async (_name, more) => {
    const relay = opened(await startRelay({ maxUrlBytes: 10 }));
    const client = opened(await V1Client.connect(relay.port, "app", { instance, ...more }));
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request("GET /longer-than-that HTTP/1.1\n");
    await relay.record(1);
    // A frame about refusals would be before this one.
    opened(new RawVisitor(relay.port)).request("GET /ok HTTP/1.1");
    expect((await client.accept()).head.path).toBe("/ok");
    expect(client.refused).toEqual([]);
    expect(client.session.closed).toBe(false);
  });
});
