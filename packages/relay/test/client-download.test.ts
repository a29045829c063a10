import { createHash, randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createCommand } from "../src/cli/options/options.js";
import { readOptions, relayOptionsOf } from "../src/cli/options/read-options.js";
import { silentLogger } from "../src/telemetry/log.js";
import { version } from "../src/version.js";
import { createRelay, type RelayOptions, type TunnelError } from "../src/index.js";
import { Http2Visitor } from "./http2-support.js";
import { RawVisitor, startRelay } from "./support.js";

const opened = closingAfterEach();

// More than a connection's buffers take.
const file = randomBytes(8_000_000);
const sha256 = createHash("sha256").update(file).digest("hex");
const path = `/client-1.2.3-${sha256.slice(0, 12)}.tgz`;
const clientPackage = { version: "1.2.3", file };

/** A relay behind a proxy on this machine, whose word about https is believed. */
async function setUp(options: Partial<RelayOptions> = {}) {
  const relay = opened(await startRelay({ clientPackage, trustedProxies: ["127.0.0.1"], ...options }));
  const dispatcher = new Agent();
  opened({ close: () => dispatcher.destroy() });
  const get = async (
    target: string,
    headers: Record<string, string> = {},
    method: "GET" | "HEAD" | "POST" = "GET",
  ) => {
    const all = { host: "localhost", "x-forwarded-proto": "https", ...headers };
    const url = `http://127.0.0.1:${relay.port}${target}`;
    const answer = await request(url, { method, dispatcher, headers: all });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: Buffer.from(await answer.body.arrayBuffer()),
    };
  };
  return { relay, get };
}

describe("a relay that hands out its client", () => {
  it("gives the file under a name that changes with it, to be kept for ever", async () => {
    const { get, relay } = await setUp();
    const { status, headers, body } = await get(path);
    expect(status).toBe(200);
    expect(body.equals(file)).toBe(true);
    expect(headers).toMatchObject({
      "content-type": "application/gzip",
      "content-length": String(file.length),
      "cache-control": "public, max-age=31536000, immutable",
      etag: `"${sha256}"`,
    });
    const { outcome, responseBytes, name } = await relay.record(1);
    expect({ outcome, responseBytes, name }).toEqual({
      outcome: "completed",
      responseBytes: file.length,
      name: undefined,
    });
  });

  it("gives it besides under a name for curl, with its checksum", async () => {
    const { get } = await setUp();
    const { status, headers, body } = await get("/client.tgz");
    expect(status).toBe(200);
    expect(body.equals(file)).toBe(true);
    expect(headers["cache-control"]).toBe("no-cache");
    expect((await get("/client.tgz.sha256")).body.toString()).toBe(`${sha256}  client.tgz\n`);
  });

  it("answers HEAD with the head alone, and who has it already with 304", async () => {
    const { get } = await setUp();
    const head = await get(path, {}, "HEAD");
    expect(head).toMatchObject({ status: 200, headers: { "content-length": String(file.length) } });
    expect(head.body.length).toBe(0);
    const known = await get(path, { "if-none-match": `"other", W/"${sha256}"` });
    expect(known).toMatchObject({ status: 304, headers: { etag: `"${sha256}"` } });
    expect((await get(path, { "if-none-match": '"other"' })).status).toBe(200);
    expect(await get(path, {}, "POST")).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });

  it("says under an older name which one is right", async () => {
    const { get } = await setUp();
    const { status, body } = await get("/client-1.2.2-0123456789ab.tgz");
    expect(status).toBe(404);
    expect(body.toString()).toContain(`https://localhost${path}`);
  });

  it.each<[number, string, Record<string, string>, "GET" | "POST", string]>([
    [404, "/client-1.2.2-0123456789ab.tgz", {}, "GET", `<a href="https://localhost${path}">`],
    [403, path, { "x-forwarded-proto": "http" }, "GET", "--trusted-proxy"],
    [405, path, {}, "POST", "can only be fetched"],
  ])(
    "says with a page for a browser why it gives nothing: %i",
    async (status, target, fields, method, text) => {
      const { get } = await setUp({ operator: { name: "Team T" } });
      const answer = await get(target, { ...fields, accept: "text/html" }, method);
      expect(answer).toMatchObject({ status, headers: { "content-type": "text/html; charset=utf-8" } });
      expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
      expect(answer.body.toString()).toContain(text);
      expect(answer.body.toString()).toContain("Run by Team T");
    },
  );

  it("shows on its page the command that runs it", async () => {
    const { get } = await setUp();
    const page = (await get("/")).body.toString();
    expect(page).toContain(`npx -y https://localhost${path} \\\n  3000`);
    expect(page).toContain("only if you trust");
  });

  it.each([path, "/client.tgz", "/client.tgz.sha256"])(
    "refuses %s over plain http, and says why",
    async (target) => {
      const { get } = await setUp();
      const { status, body } = await get(target, { "x-forwarded-proto": "http" });
      expect(status).toBe(403);
      expect(body.toString()).toContain("over https only");
      expect((await get("/", { "x-forwarded-proto": "http" })).body.toString()).not.toContain("npx");
    },
  );

  it("believes the word https of no stranger", async () => {
    const { get } = await setUp({ trustedProxies: [] });
    expect((await get(path)).status).toBe(403);
  });

  it("leaves the same paths of a tunnel to the tunnel", async () => {
    const { get } = await setUp();
    expect((await get(path, { host: "app.localhost" })).body.toString()).toBe("tunnel not found");
  });

  it("hands out nothing without a package, and has no page for it", async () => {
    const { get } = await setUp({ clientPackage: undefined });
    for (const target of [path, "/client.tgz", "/client.tgz.sha256"]) {
      expect((await get(target)).body.toString()).toBe("not found");
    }
    expect((await get("/")).body.toString()).not.toContain("npx");
  });

  it("gives it over TLS and HTTP/2", async () => {
    const folder = opened(createFolder());
    const pair = await (await createAuthority()).issue(["localhost", "127.0.0.1"]);
    const files = [{ cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) }];
    const relay = opened(await startRelay({ clientPackage, tls: { files } }));
    const visitor = opened(await Http2Visitor.connect(relay.port));
    const exchange = visitor.request({ ":path": path, ":authority": "localhost" }).read();
    expect(await exchange.head).toMatchObject({ ":status": 200, "content-length": String(file.length) });
    await exchange.closed;
    expect((await relay.record(1)).responseBytes).toBe(file.length);
  });

  it.each([
    ["no version", { version: "../1", file }],
    ["no bytes", { version: "1.2.3", file: new Uint8Array() }],
  ])("refuses a package with %s", (_, wrong) => {
    expect(() => createRelay({ domain: "localhost", clientPackage: wrong })).toThrow(
      expect.objectContaining({ code: "invalid_option" } satisfies Partial<TunnelError>),
    );
  });
});

describe("the command", () => {
  const optionsOf = async (...args: string[]): Promise<RelayOptions> => {
    const command = createCommand("1.2.3").parse(["--domain", "localhost", ...args], { from: "user" });
    await readOptions(command);
    return relayOptionsOf(command, silentLogger);
  };
  const variable = "MCP_TUNNEL_NO_CLIENT_DOWNLOAD";
  afterEach(() => vi.unstubAllEnvs());

  it("hands out the client that was built with it", async () => {
    const { clientPackage: built } = await optionsOf();
    expect(built?.version).toBe(version);
    expect([...(built?.file.subarray(0, 2) ?? [])]).toEqual([0x1f, 0x8b]);
  });

  it.each<[string, string[], string]>([
    ["the flag", ["--no-client-download"], ""],
    ["the variable", [], "true"],
  ])("hands out none with %s", async (_, args, value) => {
    if (value !== "") vi.stubEnv(variable, value);
    expect(await optionsOf(...args)).not.toHaveProperty("clientPackage");
  });

  it("hands it out with the variable off", async () => {
    vi.stubEnv(variable, "false");
    expect(await optionsOf()).toHaveProperty("clientPackage");
  });
});

describe("a visitor who does not take the client", () => {
  const ask = `GET ${path} HTTP/1.1\nHost: localhost\nX-Forwarded-Proto: https`;

  it("counts among the open requests of its address", async () => {
    const { relay, get } = await setUp({ maxRequestsPerAddress: 1, limitExempt: [] });
    const slow = opened(new RawVisitor(relay.port));
    slow.request(`${ask}\nX-Forwarded-For: 192.0.2.1`);
    await slow.until((received) => received.includes("\r\n\r\n"));
    slow.socket.pause();
    expect((await get(path, { "x-forwarded-for": "192.0.2.1" })).status).toBe(429);
    expect((await get(path, { "x-forwarded-for": "192.0.2.2" })).status).toBe(200);
    slow.close();
    const ends = await Promise.all([1, 2, 3].map((nth) => relay.record(nth)));
    expect(ends.map(({ outcome }) => outcome).sort()).toEqual(["cancelled", "completed", "refused"]);
    expect((await get(path, { "x-forwarded-for": "192.0.2.1" })).status).toBe(200);
  });

  it("is cut, and has not all of it waiting for him in the relay", async () => {
    const { relay } = await setUp({ writeTimeoutMs: 100 });
    const slow = opened(new RawVisitor(relay.port));
    slow.socket.pause();
    slow.request(ask);
    const { outcome, responseBytes } = await relay.record(1);
    expect(outcome).toBe("cancelled");
    expect(responseBytes).toBeLessThan(file.length);
  });

  it("is waited for by a relay that shuts down, as long as for any exchange", async () => {
    const { relay } = await setUp();
    const slow = opened(new RawVisitor(relay.port));
    slow.request(ask);
    await slow.until((received) => received.includes("\r\n\r\n"));
    slow.socket.pause();
    const closed = relay.close(20_000);
    slow.socket.resume();
    await closed;
    expect((await relay.record(1)).outcome).toBe("completed");
  });
});
