import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createRelay } from "mcp-tunnel";
import { type RequestEvent, startTunnelClient, type TunnelClientOptions } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { RawVisitor } from "../security/support/raw-visitor.js";
import { createAuthority, createFolder, type Pair } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand } from "../support/commands.js";

/**
 * The fault: curl and nginx accept some answers that the parser of the client's library refused. CGI scripts,
 * old servers and proxies of the user's own gave 502 through the tunnel, and the client's screen said 200, or
 * that the service had broken off.
 */
const close = closingAfterEach();

/**
 * A local service that sends `answer` to each request and keeps its connection. With `certificate`: over TLS.
 */
async function startService(answer: string, certificate?: Pair) {
  const connections = new Set<Socket>();
  const serve = (socket: Socket): void => {
    connections.add(socket);
    socket.on("error", () => {});
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      const [, length = "0"] = /content-length: (\d+)/i.exec(received) ?? [];
      const end = received.indexOf("\r\n\r\n") + 4;
      if (end < 4 || received.length < end + Number(length)) return;
      received = "";
      socket.write(answer, "latin1");
    });
  };
  const server = certificate === undefined ? createTcpServer(serve) : createTlsServer(certificate, serve);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return close({
    port: (server.address() as AddressInfo).port,
    connections,
    async close() {
      server.close();
      for (const socket of connections) socket.destroy();
      await once(server, "close");
    },
  });
}

async function startRelay(): Promise<number> {
  const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
  const { port } = await relay.listen();
  close({ close: () => relay.close(0) });
  return port;
}

async function startTunnel(answer: string, options: Partial<TunnelClientOptions> = {}) {
  const service = await startService(answer);
  const port = await startRelay();
  const relayUrl = `http://127.0.0.1:${port}`;
  const client = close(
    await startTunnelClient({
      port: service.port,
      relayUrl,
      subdomain: "app",
      shutdownGraceMs: 0,
      ...options,
    }),
  );
  const events: RequestEvent[] = [];
  client.on("request", (event) => events.push(event));
  return { port, service, events };
}

/** Makes one request on a connection of its own. `lines` of the head come after Host. */
async function visit(
  port: number,
  lines = "",
  body = "",
  done?: (received: string) => boolean,
): Promise<string> {
  const visitor = new RawVisitor({ port });
  const method = body === "" ? "GET" : "POST";
  const connection = lines.includes("Upgrade:") ? "Upgrade" : "close";
  visitor.send(
    `${method} / HTTP/1.1\r\nHost: app.tunnel.test\r\nConnection: ${connection}\r\n${lines}\r\n${body}`,
  );
  const received = done === undefined ? await visitor.all() : await visitor.until(done);
  visitor.close();
  return received;
}

const head = "HTTP/1.1 200 OK\r\n";
const oddAnswers: [string, string, number?][] = [
  ["LF alone ends the lines", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"],
  ["100 that nobody asked for", `HTTP/1.1 100 Continue\r\n\r\n${head}Content-Length: 2\r\n\r\nok`],
  ["a blank behind the length", `${head}Content-Length: 2 \r\n\r\nok`],
  ["two equal lengths", `${head}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`],
  ["identity", `${head}Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok`],
  ["status 600", "HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok", 600],
  ["status 999", "HTTP/1.1 999 Request Denied\r\nContent-Length: 2\r\n\r\nok", 999],
];

describe("an answer that is odd and clear", () => {
  it.each(oddAnswers)("reaches the visitor on all ways: %s", async (_, answer, status = 200) => {
    const { port, events } = await startTunnel(answer);
    const whole = new RegExp(
      `^(?:HTTP/1\\.1 100 Continue\\r\\n\\r\\n)?HTTP/1\\.1 ${status} .*\\r\\n\\r\\nok$`,
      "s",
    );
    expect(await visit(port)).toMatch(whole);
    expect(await visit(port, "Content-Length: 5\r\n", "hello")).toMatch(whole);
    // The client sends these two to the service with Node's own HTTP client: undici cannot send them.
    expect(await visit(port, "Expect: 100-continue\r\nContent-Length: 5\r\n", "hello")).toMatch(whole);
    expect(await visit(port, "Upgrade: echo\r\n", "", (received) => received.endsWith("ok"))).toMatch(whole);
    await expect.poll(() => events.length).toBe(4);
    expect(events.map((event) => event.error)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("reaches the visitor from a service that speaks TLS", async () => {
    const authority = await createAuthority();
    const folder = close(createFolder());
    const ca = { NODE_EXTRA_CA_CERTS: folder.write("ca.pem", authority.cert) };
    const certificate = await authority.issue(["localhost"]);
    const port = await startRelay();
    for (const [, answer, status = 200] of oddAnswers) {
      const service = await startService(answer, certificate);
      const client = await startClientCommand(
        `https://localhost:${service.port}`,
        port,
        ["--subdomain", "app"],
        ca,
      );
      for (const lines of ["", "Expect: 100-continue\r\n"]) {
        const received = await visit(port, `${lines}Content-Length: 5\r\n`, "hello");
        expect(received).toMatch(new RegExp(`HTTP/1\\.1 ${status} .*\\r\\n\\r\\nok$`, "s"));
      }
      await client.close();
    }
  });

  it("costs its connection, and a clean one does not", async () => {
    for (const [answer, connections] of [
      ["HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 3],
      [`${head}Content-Length: 2\r\n\r\nok`, 1],
    ] as const) {
      const { port, service } = await startTunnel(answer);
      for (let i = 0; i < 3; i++) expect(await visit(port)).toMatch(/ok$/);
      expect(service.connections.size).toBe(connections);
    }
  });

  it("may accept an upgrade", async () => {
    const { port } = await startTunnel(
      "HTTP/1.1 101 Switching Protocols\nUpgrade: echo\nConnection: Upgrade\n\n\n\r\0raw",
    );
    const received = await visit(port, "Upgrade: echo\r\n", "", (text) => text.endsWith("raw"));
    expect(received).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\n\n\r\0raw$/s);
  });
});

describe("a 304 with a length", () => {
  it("keeps its length, its connection and the client's screen clean", async () => {
    const { port, service, events } = await startTunnel(
      'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 1234\r\n\r\n',
    );
    for (let i = 0; i < 3; i++) {
      const received = await visit(port, 'If-None-Match: "x"\r\n');
      expect(received).toMatch(/^HTTP\/1\.1 304 .*\r\nContent-Length: 1234\r\n/s);
    }
    await expect.poll(() => events.length).toBe(3);
    expect(events.map(({ status, error }) => [status, error])).toEqual(
      Array.from({ length: 3 }, () => [304, undefined]),
    );
    expect(service.connections.size).toBe(1);
  });
});

describe("a long head", () => {
  const answer = `${head}X-A: ${"a".repeat(200_000)}\r\nContent-Length: 2\r\n\r\nok`;

  it("is refused by the name of the option that lets it pass", async () => {
    const { port, events } = await startTunnel(answer);
    for (const lines of ["", "Expect: 100-continue\r\n"]) {
      expect(await visit(port, `${lines}Content-Length: 5\r\n`, "hello")).toMatch(/HTTP\/1\.1 502 /);
    }
    await expect.poll(() => events.length).toBe(2);
    for (const event of events) {
      expect(event).toMatchObject({
        status: 502,
        error: { message: expect.stringContaining("--max-response-head") },
      });
    }
  });

  it("passes with it", async () => {
    const { port } = await startTunnel(answer, { maxResponseHeadBytes: 262_144 });
    for (const lines of ["", "Expect: 100-continue\r\n"]) {
      const received = await visit(port, `${lines}Content-Length: 5\r\n`, "hello");
      expect(received).toMatch(/HTTP\/1\.1 200 OK\r\nX-A: a{200000}\r\n.*ok$/s);
    }
  });
});

describe("an answer that is none", () => {
  it.each([
    ["Content-Lengths that differ", `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok`],
    [
      "a Content-Length together with Transfer-Encoding",
      `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`,
    ],
    ["a CR in its head", `${head}X-A: 1\r2\r\n\r\n`],
    ["a NUL in its head", `${head}X-A: 1\0\r\n\r\n`],
    ["a field that is folded", `${head}X-A: 1\r\n 2\r\n\r\n`],
    ["it does not begin with HTTP/", "SSH-2.0-OpenSSH\r\n"],
  ])("is named, and the screen says what the visitor got: %s", async (why, answer) => {
    const { port, events } = await startTunnel(answer);
    for (const lines of ["", "Expect: 100-continue\r\n"]) {
      expect(await visit(port, `${lines}Content-Length: 5\r\n`, "hello")).toMatch(/HTTP\/1\.1 502 /);
    }
    await expect.poll(() => events.length).toBe(2);
    for (const { status, error } of events) {
      expect(status).toBe(502);
      expect(error?.message).toContain(`answered, but its answer is not valid HTTP: ${why}`);
    }
  });
});
