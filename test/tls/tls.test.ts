import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { Scrape, startAdminRelay } from "../admin/support.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type ClientCommand, runRelay } from "../support/commands.js";
import { createLogger, type LogOutput } from "../../packages/relay/src/cli/output/log-output.js";
import { createProgram, failureOf } from "../../packages/relay/src/cli/program.js";
import {
  certificateFor,
  connectHttp2Visitor,
  get,
  type SecureRelay,
  startSecureRelay,
  visitHttp1,
} from "../support/secure.js";
import { startUpstream, type Upstream } from "../support/upstream.js";

const opened = closingAfterEach();

/** The events of a stream that stays open, one by one. */
async function* events(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  for await (const chunk of chunks) yield chunk.toString().trim();
}

async function emitted(upstream: Upstream, data: string, stream: AsyncGenerator<string>): Promise<void> {
  upstream.emit(data);
  expect((await stream.next()).value).toBe(`data: ${data}`);
}

describe("one relay with a certificate, for all of these", { timeout: 60_000 }, () => {
  let secure: SecureRelay;
  let upstream: Upstream;
  let client: ClientCommand;

  beforeAll(async () => {
    upstream = await startUpstream();
    secure = await startSecureRelay(["--http-redirect", "0"]);
    client = await secure.connectClient(upstream.port, "demo", ["--forwarded-headers", "all"]);
  });

  afterAll(async () => {
    await client.close();
    await secure.close();
    await upstream.close();
  });

  it("serves clients and visitors over TLS, these by HTTP/1.1 and by HTTP/2", async () => {
    const ca = secure.authority.cert;
    expect(client.url).toBe(`https://demo.tunnel.test:${secure.port}`);
    const answer = await visitHttp1(secure.port, "demo.tunnel.test", "/headers", ca);
    expect(answer.statusCode).toBe(200);
    expect(await text(answer)).toMatch(/"X-Forwarded-Proto","https"/);
    const session = opened(await connectHttp2Visitor(secure.port, "demo.tunnel.test", ca));
    const [hash, big, empty] = await Promise.all([
      get(session, "/headers"),
      get(session, "/bytes/3000000"),
      get(session, "/status/204"),
    ]);
    expect(hash.body).toMatch(/"X-Forwarded-Proto","https"/);
    expect(big.body).toHaveLength(3_000_000);
    expect(empty.status).toBe(204);
  });

  it("carries WebSockets over HTTP/1.1", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    opened({ close: () => server.close() });
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await once(server, "listening");
    opened(await secure.connectClient((server.address() as AddressInfo).port, "sockets"));
    const options = {
      ca: secure.authority.cert,
      servername: "sockets.tunnel.test",
      headers: { host: "sockets.tunnel.test" },
    };
    const ws = new WebSocket(`wss://127.0.0.1:${secure.port}/`, options);
    opened({ close: () => ws.terminate() });
    await once(ws, "open");
    const message = Buffer.alloc(300_000, "m");
    ws.send(message);
    const [echo] = (await once(ws, "message")) as [Buffer];
    expect(echo.equals(message)).toBe(true);
    ws.close(1000);
    expect((await once(ws, "close"))[0]).toBe(1000);
  });

  it("survives those who speak something else", async () => {
    const plain = connect({ port: secure.port, host: "127.0.0.1" });
    plain.on("error", () => {}).resume();
    plain.end("GET / HTTP/1.1\r\nHost: demo.tunnel.test\r\n\r\n");
    await once(plain, "close");
    const garbage = connect({ port: secure.port, host: "127.0.0.1" });
    garbage.on("error", () => {}).resume();
    garbage.end(Buffer.from([0x16, 3, 1, 0xff, 0xff, ...Array<number>(300).fill(0x41)]));
    await once(garbage, "close");
    expect((await visitHttp1(secure.port, "demo.tunnel.test", "/", secure.authority.cert)).statusCode).toBe(
      200,
    );
  });

  it("leads from HTTP to the same address over HTTPS, and nowhere else", async () => {
    const { port } = await secure.relay.waitForJson({ msg: "redirecting to HTTPS" });
    const ask = async (host: string, path: string, method = "GET", fields = {}) => {
      const visitor = requestHttp({
        host: "127.0.0.1",
        port: port as number,
        path,
        method,
        headers: { host, ...fields },
      });
      visitor.end();
      const [response] = (await once(visitor, "response")) as [IncomingMessage];
      return { response, body: await text(response) };
    };
    const visit = async (...request: Parameters<typeof ask>) => {
      const { response } = await ask(...request);
      return [response.statusCode, response.headers.location];
    };
    const to = `:${secure.port}`;
    expect(await visit("demo.tunnel.test", "/a/%2e?b=1")).toEqual([
      308,
      `https://demo.tunnel.test${to}/a/%2e?b=1`,
    ]);
    expect(await visit("DEMO.tunnel.test:80", "/", "POST")).toEqual([308, `https://demo.tunnel.test${to}/`]);
    expect(await visit("tunnel.test", "//evil.example/")).toEqual([
      308,
      `https://tunnel.test${to}//evil.example/`,
    ]);
    expect(await visit("evil.example", "/")).toEqual([421, undefined]);
    expect(await visit("a b", "/")).toEqual([400, undefined]);
    expect((await ask("evil.example", "/")).body).toBe("this relay does not serve this host name");
    const page = await ask("evil.example", "/", "GET", { accept: "text/html" });
    expect(page.response.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.body).toContain("<h1>this relay does not serve this host name</h1>");
  });
});

describe("a relay with certificates that change", { timeout: 60_000 }, () => {
  it("shows each visitor the certificate for the host name asked for", async () => {
    const folder = opened(createFolder());
    const authority = await createAuthority();
    const issue = async (name: string, ...names: string[]) => {
      const pair = await authority.issue(names);
      return [folder.write(`${name}.pem`, pair.cert), folder.write(`${name}.key`, pair.key)] as const;
    };
    const [other, special, wildcard] = [
      await issue("other", "other.example"),
      await issue("special", "special.tunnel.test"),
      await issue("wildcard", "*.tunnel.test"),
    ];
    const many = opened(
      await startSecureRelay(
        [other, wildcard, special].flatMap(([c, k]) => ["--tls-cert", c, "--tls-key", k]),
      ),
    );
    const subject = async (name?: string) => (await certificateFor(many.port, name)).subject.CN;
    expect(await subject("other.example")).toBe("other.example");
    expect(await subject("special.tunnel.test")).toBe("special.tunnel.test");
    expect(await subject("SPECIAL.tunnel.test")).toBe("special.tunnel.test");
    // The first of two matching wildcards. If none matches: the first certificate of all.
    expect(await subject("any.tunnel.test")).toBe("tunnel.test");
    expect(await subject("a.b.tunnel.test")).toBe("tunnel.test");
    expect(await subject("unknown.example")).toBe("tunnel.test");
    expect(await subject()).toBe("tunnel.test");
  });

  it("serves a new certificate as soon as the files change, and no open connection notices", async () => {
    const upstream = opened(await startUpstream());
    const secure = opened(await startSecureRelay());
    opened(await secure.connectClient(upstream.port, "demo"));
    const { relay, port, files } = secure;
    const ca = secure.authority.cert;
    const answer = await visitHttp1(port, "demo.tunnel.test", "/sse", ca);
    opened({ close: () => answer.destroy() });
    const http1 = events(answer);
    const session = opened(await connectHttp2Visitor(port, "demo.tunnel.test", ca));
    const stream = session.request({ ":path": "/sse" });
    await once(stream, "response");
    const http2 = events(stream);
    await emitted(upstream, "before", http1);
    expect((await http2.next()).value).toBe("data: before");
    const before = await certificateFor(port, "demo.tunnel.test");

    const pair = await secure.authority.issue(["tunnel.test", "*.tunnel.test"]);
    // certbot does the same: it replaces one file after the other, each at once.
    writeFileSync(`${files.key}.new`, pair.key);
    writeFileSync(`${files.cert}.new`, pair.cert);
    renameSync(`${files.cert}.new`, files.cert);
    renameSync(`${files.key}.new`, files.key);
    await relay.waitForJson({ msg: "certificate in use" }, 2);

    const after = await certificateFor(port, "demo.tunnel.test");
    expect(after.fingerprint256).not.toBe(before.fingerprint256);
    expect((await certificateFor(port)).fingerprint256).toBe(after.fingerprint256);
    await emitted(upstream, "after", http1);
    expect((await http2.next()).value).toBe("data: after");
    // The old connection also serves new requests.
    expect((await get(session, "/headers")).status).toBe(200);
    expect(relay.json.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    expect(relay.output).not.toContain("no certificate is for this name");
    stream.close();
  });

  it("keeps the old certificate when the new files are not usable, and says so", async () => {
    const secure = opened(await startSecureRelay());
    const { relay, port, files, folder } = secure;
    const before = await certificateFor(port, "demo.tunnel.test");
    const other = await secure.authority.issue(["other.example"]);
    folder.write("relay.key", other.key);
    relay.child.kill("SIGHUP");
    const refused = { msg: "the certificate is not usable; the one that was read before stays" };
    expect((await relay.waitForJson(refused))["reason"]).toMatch(
      /the key is not the key of this certificate/,
    );
    folder.write("relay.pem", "not a certificate");
    relay.child.kill("SIGHUP");
    expect((await relay.waitForJson(refused, 2))["reason"]).toBe(
      `${files.cert}: this is no certificate in PEM form`,
    );
    expect((await certificateFor(port, "demo.tunnel.test")).fingerprint256).toBe(before.fingerprint256);
    const good = await secure.authority.issue(["*.tunnel.test"]);
    folder.write("relay.pem", good.cert);
    folder.write("relay.key", good.key);
    relay.child.kill("SIGHUP");
    await relay.waitForJson({ msg: "certificate in use" }, 2);
    expect((await certificateFor(port, "demo.tunnel.test")).subject.CN).toBe("*.tunnel.test");
  });

  it("warns of one that has expired, and is not for the relay's names, and serves it", async () => {
    const folder = opened(createFolder());
    const expired = await (await createAuthority()).issue(["old.tunnel.test"], { days: 0.5 });
    const files = [folder.write("old.pem", expired.cert), folder.write("old.key", expired.key)] as const;
    const relay = opened(
      await startAdminRelay(["--domain", "tunnel.test", "--tls-cert", files[0], "--tls-key", files[1]]),
    );
    const warning = "certificate in use, but expired: visitors will be warned of this relay";
    expect((await relay.waitForJson({ msg: warning }))["names"]).toBe("DNS:old.tunnel.test");
    const unnamed = "no certificate is for this name: who connects there will be warned";
    await relay.waitForJson({ msg: unnamed, name: "tunnel.test" });
    await relay.waitForJson({ msg: unnamed, name: "*.tunnel.test" });
    const expiry = (await Scrape.of(relay)).value("mcp_tunnel_certificate_expiry_timestamp_seconds");
    expect(expiry * 1_000).toBe(Date.parse(new X509Certificate(expired.cert).validTo));
    expect((await certificateFor(relay.port, "old.tunnel.test")).subject.CN).toBe("old.tunnel.test");
  });
});

describe("a relay with TLS on another port than 443", { timeout: 60_000 }, () => {
  it.each([
    [[], true],
    [["--public-url", "https://{subdomain}.{domain}"], false],
  ])("with %j warns that no port leads to its URLs: %s", async (args, warns) => {
    const folder = opened(createFolder());
    const pair = await (await createAuthority()).issue(["tunnel.test", "*.tunnel.test"]);
    const files = [
      "--tls-cert",
      folder.write("a.pem", pair.cert),
      "--tls-key",
      folder.write("a.key", pair.key),
    ];
    const where = ["--domain", "tunnel.test", "--host", "127.0.0.1", "--port", "0", "--log-format", "json"];
    const relay = opened(runRelay([...where, ...files, ...args]));
    const listening = await relay.waitForJson({ msg: "listening" });
    expect(listening["urls"]).toBe("https://{subdomain}.tunnel.test");
    // This line comes after the one above.
    await relay.waitFor("open mode", () => relay.json.find(({ msg }) => String(msg).startsWith("open mode")));
    const warnings = relay.json.filter(({ msg }) =>
      String(msg).startsWith("the URLs of the tunnels have no port"),
    );
    expect(warnings.length > 0).toBe(warns);
  });

  it("says so to a person as well, and of no host", async () => {
    const lines: string[] = [];
    const output = { write: (line: string) => lines.push(line) } as unknown as LogOutput;
    const logger = await createLogger(output, "pretty", "info");
    logger.info({ host: "::", port: 8443 }, "listening");
    logger.warn({ port: 8443 }, "the URLs of the tunnels have no port");
    expect(lines).toEqual([
      expect.stringMatching(/listening.* on \[::\]:8443/),
      expect.stringMatching(/have no port(?!.* on )/),
    ]);
  });
});

describe("a relay that is given no certificate it could use", { timeout: 60_000 }, () => {
  it("does not start, and says what is wrong with which file", async () => {
    const folder = opened(createFolder());
    const authority = await createAuthority();
    const [pair, other] = [await authority.issue(["tunnel.test"]), await authority.issue(["other.example"])];
    const [cert, key] = [folder.write("relay.pem", pair.cert), folder.write("relay.key", pair.key)];
    const otherKey = folder.write("other.key", other.key);
    const failing = async (message: RegExp, ...args: string[]): Promise<void> => {
      // In this process: a command for each case would take longer than all the rest.
      const failure = await createProgram()
        .parseAsync(["--domain", "tunnel.test", "--port", "0", ...args], { from: "user" })
        .then(() => undefined, failureOf);
      expect(failure).toEqual({ status: 2, message: expect.stringMatching(message) });
    };
    await failing(/each --tls-cert needs its --tls-key/, "--tls-cert", cert);
    await failing(
      /relay\.pem: the key is not the key of this certificate/,
      ...["--tls-cert", cert, "--tls-key", otherKey],
    );
    await failing(/relay\.key: this is no certificate in PEM form/, "--tls-cert", key, "--tls-key", key);
    await failing(/--tls-cert: .*relay\.pemx is not there/, "--tls-cert", `${cert}x`, "--tls-key", key);
    await failing(/--http-redirect needs --tls-cert or --acme-email/, "--http-redirect", "0");
    await failing(/--acme-email and --acme-hook go together/, "--acme-email", "a@b.example");
  });
});
