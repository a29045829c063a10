import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { request } from "undici";
import { describe, expect, it } from "vitest";
import { headerValue } from "mcp-tunnel-protocol";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { asksForMetadata, settleMetadata } from "../src/service/http/agreement/metadata.js";
import { References } from "../src/service/http/agreement/references.js";
import type { TunnelClientOptions } from "../src/options.js";
import { startRig, visit } from "./relay-side.js";

const closing = closingAfterEach();

const resourcePath = "/.well-known/oauth-protected-resource/mcp";
const publicOrigin = "https://demo.relay.test";
const json = { "content-type": "application/json; charset=utf-8" };

/** A service that answers as `listener` does, behind a forwarder. */
async function serve(listener: RequestListener, options: Partial<TunnelClientOptions> = {}) {
  const requests: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    requests.push(req);
    listener(req, res);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
  const { port } = server.address() as AddressInfo;
  const rig = closing(startRig({ port, ...options }));
  return { rig, requests, port };
}

/** The metadata of a server at `origin`. */
const resourceOf = (origin: string) => ({
  resource: `${origin}/mcp`,
  authorization_servers: [`${origin}/`, "https://login.example.com/"],
  scopes_supported: ["a"],
  bearer_methods_supported: ["header"],
});

/** Serves the metadata of a server whose origin is made of the request's Host. The answer has `fields`. */
const resource =
  (fields: Record<string, string> = {}): RequestListener =>
  (req, res) => {
    const body = JSON.stringify(resourceOf(`http://${req.headers.host}`));
    res.writeHead(200, { ...json, "content-length": Buffer.byteLength(body), ...fields }).end(body);
  };

describe("where OAuth metadata is", () => {
  it.each([
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp?x",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/tenant/a",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/tenant",
    "/tenant/.well-known/openid-configuration?x=/",
  ])("%s", (path) => {
    const asks = (method: string) => asksForMetadata({ method, path, headers: [] });
    expect(["GET", "HEAD", "POST", "OPTIONS", "get"].map(asks)).toEqual([true, true, false, false, false]);
  });

  it.each([
    "/",
    "/mcp",
    "/.well-known/",
    "/.well-known/oauth-protected-resources",
    "/.well-known/openid-configurations",
    "/x/.well-known/oauth-authorization-server",
    "/?/.well-known/openid-configuration",
    "/.well-known/jwks.json",
  ])("not %s", (path) => {
    expect(asksForMetadata({ method: "GET", path, headers: [] })).toBe(false);
  });
});

describe("what OAuth metadata says", () => {
  const own = References.toAuthority("localhost:19090");
  const settle = (document: unknown) =>
    settleMetadata(Buffer.from(JSON.stringify(document)), own, "https://demo.test");

  it("is led to the public origin where it names the service's own", () => {
    const local = "http://localhost:19090";
    const of = (origin: string) => ({
      issuer: `${origin}/`,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register?x=${local}`,
      jwks_uri: origin,
      check_session_iframe: `${origin}/session`,
      op_policy_uri: `${origin}/policy`,
      service_documentation: `${origin}/docs`,
      protected_resources: [`${origin}/a`, 5, "https://other.test"],
      mtls_endpoint_aliases: { token_endpoint: `${origin}/mtls`, other: local },
      // None of these members is a reference, or leads to the service.
      userinfo_endpoint: "https://login.example.com/",
      revocation_endpoint: "http://127.0.0.1:19090/",
      introspection_endpoint: "//localhost:19090/",
      device_authorization_endpoint: null,
      token_endpoint_auth_methods_supported: ["none", local],
      claims: { issuer: local },
      other: local,
    });
    const settled = settle(of(local));
    expect(JSON.parse(String(settled?.body))).toEqual(of("https://demo.test"));
    expect(settled?.isSigned).toBe(false);
  });

  it.each([
    ["foreign", { issuer: "https://login.example.com" }],
    ["a list", [{ issuer: "http://localhost:19090" }]],
    ["a text", "http://localhost:19090"],
    ["nothing", null],
  ])("is not touched otherwise: %s", (_what, document) => {
    expect(settle(document)).toBeUndefined();
  });

  it.each([
    ["not JSON", "<!doctype html>"],
    ["broken off", '{"issuer":"http://localhost:19090"'],
    ["not UTF-8", '{"issuer":"http://localhost:19090","x":"\xff"}'],
    [
      "too deep to be written",
      `{"issuer":"http://localhost:19090","x":${"[".repeat(120_000)}${"]".repeat(120_000)}}`,
    ],
  ])("is not touched if it is %s", (_what, text) => {
    expect(settleMetadata(Buffer.from(text, "latin1"), own, "https://demo.test")).toBeUndefined();
  });
});

describe("OAuth metadata through the tunnel", () => {
  it("names the public origin, and says nothing of the bytes that it had", async () => {
    const own = {
      etag: '"1"',
      "content-digest": "sha-256=:AAAA:",
      "repr-digest": "x",
      digest: "x",
      "content-md5": "x",
    };
    const { rig } = await serve(resource({ ...own, "cache-control": "max-age=3600", link: "</>; rel=x" }));
    const done = await visit(rig.relay, { path: resourcePath }).complete();
    expect(JSON.parse(done.text)).toEqual(resourceOf(publicOrigin));
    const { status, headers } = done.head!;
    expect(status).toBe(200);
    expect(headerValue(headers, "content-length")).toBe(String(done.body.length));
    for (const name of Object.keys(own)) expect(headerValue(headers, name), name).toBeUndefined();
    expect(headerValue(headers, "cache-control")).toBe("max-age=3600");
    expect(rig.events[0]).toMatchObject({ status: 200, responseBytes: done.body.length, error: undefined });
  });

  it("is asked for whole and plain, whatever the visitor has already", async () => {
    const { rig, requests } = await serve(resource());
    const headers = [
      ...["Host", "demo.relay.test", "Accept-Encoding", "gzip", "If-None-Match", '"1"', "Range", "bytes=0-1"],
      ...["if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT", "If-Range", '"1"', "X-A", "1"],
    ];
    await visit(rig.relay, { path: resourcePath, headers }).complete();
    const { connection: _connection, host: _host, ...seen } = requests.at(0)!.headers;
    expect(seen).toEqual({ "accept-encoding": "identity", "x-a": "1" });
    await visit(rig.relay, { path: "/", headers }).complete();
    expect(requests.at(1)?.headers).toMatchObject({ "accept-encoding": "gzip", "if-none-match": '"1"' });
  });

  it("comes in pieces, with trailers, and over a connection of its own", async () => {
    const { rig } = await serve((req, res) => {
      const text = JSON.stringify(resourceOf(`http://${req.headers.host}`));
      res.writeHead(200, { ...json, trailer: "Repr-Digest, X-A" });
      for (const piece of text.match(/.{1,20}/g)!) res.write(piece);
      res.addTrailers({ "Repr-Digest": "x", "X-A": "1" });
      res.end();
    });
    for (const headers of [[], ["Expect", "100-continue"]]) {
      const asked = { path: resourcePath, headers: ["Host", "demo.relay.test", ...headers] };
      const done = await visit(rig.relay, asked).complete();
      expect(JSON.parse(done.text)).toEqual(resourceOf(publicOrigin));
      expect(headerValue(done.head!.headers, "content-length")).toBe(String(done.body.length));
      expect(done.trailers).toEqual(["X-A", "1"]);
    }
  });

  it("has no length and no ETag for HEAD, which GET would not give", async () => {
    const { rig, requests } = await serve(resource({ etag: '"1"' }));
    const done = await visit(rig.relay, { method: "HEAD", path: resourcePath }).complete();
    expect(requests.at(0)?.method).toBe("HEAD");
    expect(done.head?.headers.join().toLowerCase()).not.toMatch(/etag|content-length/);
    expect(headerValue(done.head!.headers, "content-type")).toBe("application/json; charset=utf-8");
  });

  it("passes as it is when it is signed, and the user is told once", async () => {
    const { rig, port } = await serve((req, res) => {
      const document = { ...resourceOf(`http://${req.headers.host}`), signed_metadata: "e30.e30.x" };
      res.writeHead(200, { ...json, etag: '"1"' }).end(JSON.stringify(document));
    });
    // No visitor decides what the user is told to set.
    const headers = ["X-Forwarded-Host", "demo.relay.test:4444", "X-Forwarded-Proto", "https"];
    for (const _ of [1, 2]) {
      const done = await visit(rig.relay, { path: resourcePath, headers }).complete();
      expect(JSON.parse(done.text)).toMatchObject(resourceOf(`http://localhost:${port}`));
      expect(headerValue(done.head!.headers, "etag")).toBe('"1"');
    }
    expect(rig.warnings).toEqual([
      {
        code: "signed_metadata",
        message: expect.stringMatching(`set its public URL to ${publicOrigin}$`),
      },
    ]);
  });

  const long = "x".repeat(300_000);
  it.each<[string, Partial<TunnelClientOptions>, string, RequestListener]>([
    ["is not wanted", { oauthMetadata: "keep" }, resourcePath, resource({ etag: '"1"' })],
    ["is elsewhere", {}, "/metadata", resource({ etag: '"1"' })],
    ["is not JSON by its type", {}, resourcePath, resource({ "content-type": "text/plain", etag: '"1"' })],
    [
      "is an error",
      {},
      resourcePath,
      (req, res) => {
        res
          .writeHead(404, { ...json, etag: '"1"' })
          .end(JSON.stringify(resourceOf(`http://${req.headers.host}`)));
      },
    ],
    [
      "names others only",
      {},
      resourcePath,
      (_req, res) => {
        res.writeHead(200, { ...json, etag: '"1"' }).end('{ "resource": "https://a.test" }');
      },
    ],
    [
      "is no JSON",
      {},
      resourcePath,
      (req, res) => {
        res.writeHead(200, { ...json, etag: '"1"' }).end(`{"resource":"http://${req.headers.host}`);
      },
    ],
    [
      "is empty",
      {},
      resourcePath,
      (_req, res) => {
        res.writeHead(200, { ...json, etag: '"1"' }).end();
      },
    ],
    [
      "is too long, and says so",
      {},
      resourcePath,
      (req, res) => {
        const body = JSON.stringify({ resource: `http://${req.headers.host}`, long });
        res.writeHead(200, { ...json, etag: '"1"', "content-length": body.length }).end(body);
      },
    ],
    [
      "is too long, and does not say so",
      {},
      resourcePath,
      (req, res) => {
        res
          .writeHead(200, { ...json, etag: '"1"' })
          .write(`{"resource":"http://${req.headers.host}","long":"`);
        res.write(long);
        res.end('"}');
      },
    ],
    [
      "is coded all the same",
      {},
      resourcePath,
      (req, res) => {
        const body = gzipSync(JSON.stringify(resourceOf(`http://${req.headers.host}`)));
        res.writeHead(200, { ...json, etag: '"1"', "content-encoding": "gzip" }).end(body);
      },
    ],
  ])("passes as it is where it %s", async (_what, options, path, listener) => {
    const { rig, port } = await serve(listener, options);
    const done = await visit(rig.relay, { path }).complete();
    const direct = await request(`http://127.0.0.1:${port}${path}`, {
      headers: { host: `localhost:${port}` },
    });
    expect(done.body.equals(Buffer.from(await direct.body.arrayBuffer()))).toBe(true);
    expect(headerValue(done.head!.headers, "content-length")).toBe(direct.headers["content-length"]);
    expect(headerValue(done.head!.headers, "etag")).toBe('"1"');
    expect(rig.warnings).toEqual([]);
  });

  it("passes as far as it came when it is broken off", async () => {
    const { rig } = await serve((_req, res) => {
      res.writeHead(200, { ...json, "content-length": 100 }).write('{"resource":');
      setImmediate(() => res.destroy());
    });
    const visitor = visit(rig.relay, { path: resourcePath });
    expect((await visitor.cut()).code).toBe("upstream_failed");
    expect(rig.events[0]).toMatchObject({ status: 200, error: { code: "upstream_failed" } });
  });
});
