import type { OutgoingHttpHeaders } from "node:http2";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Http2Visitor } from "../../packages/relay/test/http2-support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type GatedWorld, key, startGatedWorld, user } from "./support/gated-world.js";
import { allStatuses, RawVisitor } from "./support/raw-visitor.js";

/**
 * The attack: a visitor without a proof looks for a way past the gate. Relay, gate and service might read a
 * request in different ways: where its target leads, where it ends, which field is the proof. Or a kind of
 * request (an upgrade, a CONNECT, trailers) might take another way than others.
 *
 * The defence: the gate stands in the client, behind all that the relay and the wire have normalised, and
 * judges each stream before the service hears of it. Here a service that remembers each byte says whether
 * that is so.
 */
const close = closingAfterEach();
let world: GatedWorld;
beforeAll(async () => {
  world = await startGatedWorld();
});
afterAll(() => world.close());

const host = "Host: app.tunnel.test";
const end = "Connection: close\r\n\r\n";
const proof = `Authorization: Bearer ${key}`;
const upgrade =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==";

let before = { bytes: 0, lines: 0 };
beforeEach(() => {
  const { heard, lines } = world.tunnel.canary;
  before = { bytes: heard.length, lines: lines.length };
});

/** What has reached the service in this test. */
const reached = () => {
  const { heard, lines } = world.tunnel.canary;
  return { bytes: heard.slice(before.bytes), lines: lines.slice(before.lines) };
};

/** One more visit, with a key: what came before it would have arrived by now. */
async function expectOnly(...lines: string[]): Promise<void> {
  const { status } = await world.tunnel.ask("/control", { headers: { "x-api-key": key } });
  expect(status).toBe(200);
  const { lines: all, bytes } = reached();
  expect(all).toEqual([...lines, "GET /control"]);
  expect(bytes.match(/^[A-Z]+ \S+ HTTP\/1\.1\r$/gm)).toHaveLength(lines.length + 1);
  expect(bytes).not.toContain(key);
}

/** Over HTTP/1.1 (inside TLS), byte for byte. The connection is ended after what was said. */
async function say(text: string): Promise<string> {
  const visitor = close(new RawVisitor({ port: world.plainPort }));
  visitor.send(text);
  const received = await visitor.until((all) => allStatuses(all).length > 0);
  visitor.socket.end();
  return received;
}

describe("nobody gets past it over HTTP/1.1", () => {
  it.each<[string, string]>([
    ["by a target in absolute form", `GET http://app.tunnel.test/mcp HTTP/1.1\r\n${host}\r\n${end}`],
    ["by an absolute target of another host", `GET http://127.0.0.1/mcp HTTP/1.1\r\n${host}\r\n${end}`],
    [
      "by an absolute target of a public path",
      `GET http://app.tunnel.test/.well-known/../mcp HTTP/1.1\r\n${host}\r\n${end}`,
    ],
    ["by OPTIONS *", `OPTIONS * HTTP/1.1\r\n${host}\r\n${end}`],
    [
      "by a preflight",
      `OPTIONS /mcp HTTP/1.1\r\n${host}\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: POST\r\n${end}`,
    ],
    ["by CONNECT", `CONNECT app.tunnel.test:443 HTTP/1.1\r\n${host}\r\n\r\n`],
    ["by TRACE", `TRACE /mcp HTTP/1.1\r\n${host}\r\n${end}`],
    ["by the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["by HTTP/0.9", "GET /mcp\r\n\r\n"],
    ["by HTTP/1.0", `GET /mcp HTTP/1.0\r\n${host}\r\n\r\n`],
    [
      "by trailers",
      `POST /mcp HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n` +
        `2\r\nhi\r\n0\r\n${proof}\r\nX-API-Key: ${key}\r\nX-Tunnel-User: owner\r\n\r\n`,
    ],
    [
      "by a proof that comes twice",
      `GET /mcp HTTP/1.1\r\n${host}\r\nAuthorization: Bearer x\r\n${proof}\r\n${end}`,
    ],
    [
      "by a list of proofs",
      `GET /mcp HTTP/1.1\r\n${host}\r\nAuthorization: Bearer x, Bearer ${key}\r\n${end}`,
    ],
    [
      "by a space before the colon",
      `GET /mcp HTTP/1.1\r\n${host}\r\nAuthorization : Bearer ${key}\r\n${end}`,
    ],
    [
      "by a proof in a field with an underscore",
      `GET /mcp HTTP/1.1\r\n${host}\r\nX_API_KEY: ${key}\r\n${end}`,
    ],
    [
      "by a proof for proxies",
      `GET /mcp HTTP/1.1\r\n${host}\r\nProxy-Authorization: Bearer ${key}\r\n${end}`,
    ],
    [
      "by a proof in a cookie",
      `GET /mcp HTTP/1.1\r\n${host}\r\nCookie: Authorization=Bearer ${key}\r\n${end}`,
    ],
    ["by a folded claim", `GET /mcp HTTP/1.1\r\n${host}\r\nX-A: b\r\n X-Tunnel-User: owner\r\n${end}`],
    ["by a claim", `GET /mcp HTTP/1.1\r\n${host}\r\nX-Tunnel-User: owner\r\nX_Tunnel_User: owner\r\n${end}`],
    ["by another host's name", `GET /mcp HTTP/1.1\r\n${host}\r\nX-Forwarded-Host: localhost\r\n${end}`],
    ["by a field for the path", `GET / HTTP/1.1\r\n${host}\r\nX-Original-URL: /mcp\r\n${end}`],
    [
      "by a field for the method",
      `GET /mcp HTTP/1.1\r\n${host}\r\nX-HTTP-Method-Override: OPTIONS\r\n${end}`,
    ],
    [
      "by an expectation",
      `POST /mcp HTTP/1.1\r\n${host}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n${end}`,
    ],
    ["by an upgrade", `GET /mcp HTTP/1.1\r\n${host}\r\n${upgrade}\r\n\r\n`],
    [
      "by an upgrade with a key in the query",
      `GET /mcp?key=${key} HTTP/1.1\r\n${host}\r\n${upgrade}\r\n\r\n`,
    ],
    [
      "by an upgrade with a key as its protocol",
      `GET /mcp HTTP/1.1\r\n${host}\r\n${upgrade}\r\nSec-WebSocket-Protocol: bearer, ${key}\r\n\r\n`,
    ],
    [
      "by an upgrade of a page of the gate",
      `GET /.mcp-tunnel/token HTTP/1.1\r\n${host}\r\n${upgrade}\r\n\r\n`,
    ],
    [
      "by an upgrade of a public path",
      `GET /.well-known/acme-challenge/a HTTP/1.1\r\n${host}\r\n${upgrade}\r\n\r\n`,
    ],
    [
      "by an upgrade to HTTP/2",
      `GET /mcp HTTP/1.1\r\n${host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n`,
    ],
    [
      "by a second request in the body of the first",
      `POST /mcp HTTP/1.1\r\n${host}\r\nContent-Length: 60\r\n\r\nGET /smuggled HTTP/1.1\r\n${host}\r\n\r\n`,
    ],
    [
      "by a body of two framings",
      `POST /mcp HTTP/1.1\r\n${host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n${host}\r\n\r\n`,
    ],
  ])("%s", async (_way, text) => {
    const received = await say(text);
    for (const status of allStatuses(received)) expect([200, 101]).not.toContain(status);
    await expectOnly();
  });

  it.each([
    ...[
      "//mcp",
      "/./mcp",
      "/../mcp",
      "/%2e%2e/mcp",
      "/;/mcp",
      "/mcp;x",
      "/mcp%00",
      "/mcp%0d%0aX-A:b",
      "/%2fmcp",
    ],
    ...["/mcp?x#y", "/mcp#/.mcp-tunnel/", "/\\mcp", "/MCP", "/mcp/%252e"],
    ...["/.mcp-tunnel", "/.mcp-tunnel/../mcp", "/.mcp-tunnel/%2e%2e/mcp", "/.mcp-tunnel%2f..%2fmcp"],
    ...[
      "//.mcp-tunnel/token",
      "/./.mcp-tunnel/token",
      "/.MCP-TUNNEL/token",
      "/%2emcp-tunnel/token",
      "/.mcp-tunnel;/x",
    ],
    ...[
      "/.mcp-tunnel\\..\\mcp",
      "/x/.mcp-tunnel/token",
      "/.mcp-tunnel/consent/../../mcp",
      "/.mcp-tunnel/authorize/../../mcp",
    ],
    ...[
      "/.well-known/acme-challenge/",
      "/.well-known/acme-challenge/../../mcp",
      "/.well-known/acme-challenge/%2e%2e",
    ],
    ...[
      "/.well-known/acme-challenge/a/b",
      "/.well-known/acme-challenge/a?b",
      "/.well-known/acme-challenge/a;b",
    ],
    ...[
      "/.well-known/mcp-registry-auth/../mcp",
      "/.well-known/mcp-registry-auth?x",
      "/.WELL-KNOWN/mcp-registry-auth",
    ],
    ...["/.well-known/mcp-registry-auth%2f..%2f..%2fmcp", "/.well-known/oauth-protected-resource/../../mcp"],
    ...[
      "/.well-known/openid-configuration/../../mcp",
      "/.well-known/oauth-authorization-server%2f..%2f..%2fmcp",
    ],
    ...["/mcp/.well-known/openid-configuration/../../mcp", "/mcp?/.well-known/openid-configuration"],
  ])("by the path %s", async (path) => {
    for (const method of ["GET", "POST"]) {
      const received = await say(`${method} ${path} HTTP/1.1\r\n${host}\r\nContent-Length: 0\r\n${end}`);
      const [status] = allStatuses(received);
      // Metadata of OAuth is the gate's own answer.
      if (status === 200) expect(received).toMatch(/"(authorization_servers|issuer)":/);
      else expect([204, 400, 401, 404, 405, 421]).toContain(status);
    }
    await expectOnly();
  });

  it("on a connection on which somebody with a proof was let in before", async () => {
    // A proof is one request's, however many come on one connection, and at once.
    const received = await say(
      `GET /mine HTTP/1.1\r\n${host}\r\n${proof}\r\n\r\n` +
        `GET /theirs HTTP/1.1\r\n${host}\r\n\r\nGET /last HTTP/1.1\r\n${host}\r\n${end}`,
    );
    expect(received).toContain('"X-Tunnel-User","laptop"');
    await expectOnly("GET /mine");
  });
});

describe("nobody gets past it over HTTP/2", () => {
  it.each<[string, OutgoingHttpHeaders]>([
    ["by a plain request", { ":path": "/mcp" }],
    ["by a target in absolute form", { ":path": "https://app.tunnel.test/mcp" }],
    ["by a target without a slash", { ":path": "mcp" }],
    ["by a page of the gate", { ":path": "/.mcp-tunnel/../mcp" }],
    ["by the asterisk", { ":path": "*", ":method": "OPTIONS" }],
    [
      "by claims",
      { ":path": "/mcp", "x-tunnel-user": "owner", x_tunnel_scope: "mcp", "x.tunnel.client": "c" },
    ],
    ["by a host beside the authority", { ":path": "/mcp", host: "localhost" }],
    ["by CONNECT", { ":method": "CONNECT", ":authority": "app.tunnel.test:443" }],
    [
      "by a WebSocket (RFC 8441)",
      { ":method": "CONNECT", ":protocol": "websocket", ":path": "/mcp", ":scheme": "https" },
    ],
    ["by a cookie in crumbs", { ":path": "/mcp", cookie: ["authorization=", key] }],
  ])("%s", async (_way, headers) => {
    const visitor = close(await Http2Visitor.connect(world.securePort));
    let status: number | undefined;
    try {
      const exchange = visitor.request({ ":authority": "app.tunnel.test", ...headers }).read();
      ({ ":status": status } = await exchange.head);
    } catch {
      // The relay, or this side, has refused the stream.
    }
    expect([undefined, 204, 400, 401, 404, 405, 421, 501]).toContain(status);
    await expectOnly();
  });

  it("by trailers", async () => {
    const visitor = close(await Http2Visitor.connect(world.securePort));
    const request = visitor.session.request(
      { ":authority": "app.tunnel.test", ":method": "POST", ":path": "/mcp" },
      { waitForTrailers: true },
    );
    request.on("error", () => {});
    request.on("wantTrailers", () =>
      request.sendTrailers({ authorization: `Bearer ${key}`, "x-tunnel-user": "owner" }),
    );
    const status = new Promise((resolve) => request.on("response", (head) => resolve(head[":status"])));
    request.end("hi");
    expect(await status).toBe(401);
    await expectOnly();
  });

  it("by a stream beside one that was let in", async () => {
    const visitor = close(await Http2Visitor.connect(world.securePort));
    const mine = visitor
      .request({ ":authority": "app.tunnel.test", ":path": "/mine", authorization: `Bearer ${key}` })
      .read();
    const theirs = visitor.request({ ":authority": "app.tunnel.test", ":path": "/theirs" }).read();
    expect((await mine.head)[":status"]).toBe(200);
    expect((await theirs.head)[":status"]).toBe(401);
    await expectOnly("GET /mine");
  });
});

describe("who is let in", () => {
  const named = async (fields: Readonly<Record<string, string | string[]>>) => {
    const { status, text } = await world.tunnel.ask("/who", { headers: fields });
    expect(status).toBe(200);
    return JSON.parse(text) as string[];
  };
  const about = (raw: readonly string[]): string[] =>
    raw.filter((_, at) =>
      /^x[^a-z0-9]tunnel[^a-z0-9](user|client|scope)/i.test(raw[at - (at % 2)] as string),
    );

  it.each([
    ["with a key", { authorization: `Bearer ${key}` }, "laptop"],
    [
      "with a password",
      { authorization: `Basic ${Buffer.from(`${user.name}:${user.password}`).toString("base64")}` },
      "ann",
    ],
  ])("is who the gate says, %s, whatever he says himself", async (_with, fields, name) => {
    const lies = {
      ...{ "X-Tunnel-User": ["owner", "root"], X_Tunnel_User: "owner", "x.tunnel.user": "owner" },
      ...{ "X-Tunnel-Client": "c", "X-TUNNEL-SCOPE": "admin", "X-Tunnel_User": "owner" },
    };
    expect(about(await named({ ...fields, ...lies }))).toEqual(["X-Tunnel-User", name]);
  });

  it("cannot have the service miss who he is", async () => {
    // `Connection` may name fields that the next hop takes out: here those that the gate has written.
    const raw = await named({ "x-api-key": key, connection: "close, X-Tunnel-User, X-Tunnel-Visitor, Host" });
    expect(about(raw)).toEqual(["X-Tunnel-User", "laptop"]);
    expect(raw).toContain("X-Tunnel-Visitor");
  });

  it("hands the service none of his proofs, nor the gate's cookies", async () => {
    const raw = await named({
      ...{ authorization: `Bearer ${key}`, "x-api-key": key },
      cookie: `a=1; __Host-mcp-tunnel~abc=secret; mcp-tunnel~abc=secret; b=2`,
    });
    const all = raw.join("\n");
    expect(all).not.toMatch(/mt_|secret|Bearer/);
    expect(all).toContain("a=1; b=2");
  });

  it("gets no script for a service worker: it would answer the gate's pages in browsers", async () => {
    const asked = { headers: { "x-api-key": key, "service-worker": "script" } };
    for (const path of ["/sw.js", "/.well-known/acme-challenge/a", "/.mcp-tunnel/consent/x"]) {
      expect((await world.tunnel.ask(path, asked)).status).toBe(403);
    }
    await expectOnly();
  });
});

describe("what is for everybody", () => {
  it("reaches the service with nothing that could mean something else", async () => {
    const path = "/.well-known/acme-challenge/a-token";
    const fields = {
      ...{
        "x-original-url": "/mcp",
        "x-rewrite-url": "/mcp",
        "x-http-method-override": "POST",
        cookie: "session=1",
      },
      ...{
        authorization: "Bearer x",
        "x-tunnel-user": "owner",
        "x-forwarded-prefix": "/mcp",
        te: "trailers",
      },
    };
    expect((await world.tunnel.ask(path, { headers: fields })).status).toBe(200);
    expect((await world.tunnel.ask(path, { method: "POST", headers: fields })).status).toBe(401);
    expect(reached().bytes).not.toMatch(/\/mcp|session|Bearer|owner|override/i);
    await expectOnly(`GET ${path}`);
  });
});
