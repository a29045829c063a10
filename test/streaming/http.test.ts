import { METHODS } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type RawPeer, type RawService, rawVisitor, startRawService } from "./raw.js";
import { type CommandTunnel, startTunnel } from "./support.js";

let service: RawService;
let tunnel: CommandTunnel;
beforeAll(async () => {
  service = await startRawService();
  tunnel = await startTunnel(service.port, ["--max-url-length", "60000", "--max-header-size", "65536"]);
});
afterAll(async () => {
  await tunnel.close();
  await service.close();
});
const closing = closingAfterEach();

let exchanges = 0;

/**
 * Sends a request (the lines of its head, then its body), and waits until its head has reached the local
 * service.
 */
async function exchange(lines: string[], body = ""): Promise<{ visitor: RawPeer; local: RawPeer }> {
  const visitor = closing(await rawVisitor(tunnel.port));
  const mark = `X-Exchange: ${(exchanges += 1)}`;
  const [start, ...fields] = lines;
  visitor.write(`${[start, `Host: ${tunnel.host}`, mark, ...fields].join("\r\n")}\r\n\r\n${body}`);
  const local = closing(await service.receiving(new RegExp(`${mark}\r\n(.+\r\n)*\r\n`)));
  return { visitor, local };
}

/** The lines of a head, without hop-by-hop fields and without the field that marks the exchange. */
function headLines(text: string): string[] {
  const [head = ""] = text.split("\r\n\r\n");
  const perHop =
    /^(connection|keep-alive|transfer-encoding|date|x-request-id|x-forwarded-\w+|traceparent|x-exchange):/i;
  return head.split("\r\n").filter((line) => !perHop.test(line));
}

describe("a request through the tunnel", () => {
  const methods = METHODS.filter((method) => method !== "CONNECT");
  it(`has its method, each of the ${methods.length} that Node knows`, { timeout: 60_000 }, async () => {
    for (const method of methods) {
      const { visitor, local } = await exchange([`${method} /things HTTP/1.1`, "Connection: close"]);
      expect(headLines(local.received)[0]).toBe(`${method} /things HTTP/1.1`);
      local.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      expect(headLines(await visitor.all())[0]).toBe("HTTP/1.1 200 OK");
      local.close();
    }
  });

  it("has its fields in order and case, with repeats and odd ones", async () => {
    const fields = [
      ...["X-Zebra: 1", "x-ANT: 2", "X-Zebra: 3", "Cookie: a=1; b=2", "cookie: c=3"],
      ...[
        "X-Empty:",
        "X-Bytes: \xe4\xf6\xfc \xff",
        "X-Tab: a\tb",
        'X-Quote: "a, b"; c=\\d',
        "x-a!#$%&'*+.^_`|~9: odd",
      ],
    ];
    const { local } = await exchange(["GET /?b=2&a=1&a=%20+ HTTP/1.1", ...fields]);
    const [start, host, ...lines] = headLines(local.received);
    expect(start).toBe("GET /?b=2&a=1&a=%20+ HTTP/1.1");
    expect(host).toBe(`host: localhost:${service.port}`);
    const sent = fields.map((field) => field.replace(/:$/, ": "));
    expect(lines).toEqual([...sent, "X-Tunnel-Visitor: 127.0.0.1"]);
  });

  it("has its path, however long and odd", async () => {
    const path = `/${"a%2Fb//../".repeat(5_000)}?${"q".repeat(9_000)}`;
    expect(path.length).toBeGreaterThan(59_000);
    const { local } = await exchange([`GET ${path} HTTP/1.1`]);
    expect(headLines(local.received)[0]).toBe(`GET ${path} HTTP/1.1`);
  });

  it("has its trailers, if it announces them", async () => {
    const { visitor, local } = await exchange(
      ["POST / HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: X-Sum, x-late"],
      "4\r\nbody\r\n",
    );
    expect(headLines(local.received)).toContain("Trailer: X-Sum, x-late");
    visitor.write("0\r\nX-Sum: abc\r\nx-late: yes\r\n\r\n");
    await local.until(/\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: abc\r\nx-late: yes\r\n\r\n$/);
    local.write("HTTP/1.1 204 No Content\r\n\r\n");
    await visitor.until(/^HTTP\/1.1 204 /);
  });

  it("with Expect sends its body when the service says 100, and not before", async () => {
    const { visitor, local } = await exchange([
      "PUT /file HTTP/1.1",
      "Content-Length: 5",
      "Expect: 100-continue",
    ]);
    expect(headLines(local.received)).toContain("Expect: 100-continue");
    expect(visitor.received).toBe("");
    local.write("HTTP/1.1 100 Continue\r\n\r\n");
    await visitor.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
    visitor.write("hello");
    await local.until(/\r\n\r\nhello$/);
    local.write("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
    await visitor.until(/100 Continue\r\n\r\nHTTP\/1.1 201 Created\r\n[^]*\r\n\r\nok$/);
  });

  it("with Expect is refused without its body", async () => {
    const { visitor, local } = await exchange([
      "PUT /file HTTP/1.1",
      "Content-Length: 5000000",
      "Expect: 100-continue",
    ]);
    local.write("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 417 [^]*\r\n\r\nno$/);
  });
});

describe("a response through the tunnel", () => {
  it("has its fields in order and case, with repeats and odd ones", async () => {
    const { visitor, local } = await exchange(["GET / HTTP/1.1"]);
    const fields = [
      ...["X-Zebra: 1", "Set-Cookie: a=1; Path=/", "x-ANT: 2", "set-cookie: b=2", "X-Zebra: 3"],
      ...[
        "X-Empty: ",
        "X-Bytes: \xe4\xf6\xfc \xff",
        'WWW-Authenticate: Basic realm="a, b", Bearer',
        "Server: 1",
      ],
      ...["Content-Encoding: br", "Content-Length: 2"],
    ];
    local.write(`HTTP/1.1 200 Fine\r\n${fields.join("\r\n")}\r\n\r\nok`);
    expect(headLines(await visitor.until(/\r\n\r\nok$/))).toEqual(["HTTP/1.1 200 OK", ...fields]);
  });

  it("has any status", async () => {
    for (const status of [200, 206, 226, 299, 300, 308, 402, 418, 451, 499, 500, 511, 599, 600, 999]) {
      const { visitor, local } = await exchange(["GET / HTTP/1.1"]);
      local.write(`HTTP/1.1 ${status} Whatever\r\nContent-Length: 0\r\n\r\n`);
      expect(await visitor.until(/\r\n\r\n/)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      local.close();
    }
  });

  it("comes after its interim heads, as they are sent", async () => {
    const { visitor, local } = await exchange(["GET / HTTP/1.1"]);
    local.write("HTTP/1.1 102 Processing\r\n\r\n");
    await visitor.until(/102 Processing\r\n\r\n$/);
    local.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\r\n");
    const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\r\n";
    expect((await visitor.until(/b.js>\r\n\r\n$/)).endsWith(hint)).toBe(true);
    local.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await visitor.until(/\r\n\r\nHTTP\/1.1 200 OK\r\n[^]*ok$/);
  });

  it("has its trailers", async () => {
    const { visitor, local } = await exchange(["GET / HTTP/1.1", "TE: trailers"]);
    local.write(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
        "4\r\nbody\r\n0\r\nX-Sum: abc\r\nx-late: yes\r\n\r\n",
    );
    await visitor.until(/\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: abc\r\nx-late: yes\r\n\r\n$/);
  });

  it.each([
    ["HEAD with a length", "HEAD", "200 OK", "Content-Length: 12345"],
    ["HEAD, chunked", "HEAD", "200 OK", "Transfer-Encoding: chunked"],
    ["204", "GET", "204 No Content", "X-None: 1"],
    ["304 with a length", "GET", "304 Not Modified", "Content-Length: 12345"],
    ["304", "GET", "304 Not Modified", "ETag: x"],
    ["an empty body", "GET", "200 OK", "Content-Length: 0"],
  ])(
    "has no body for %s, and the next one follows on the same connection",
    async (_, method, status, field) => {
      const { visitor, local } = await exchange([`${method} /first HTTP/1.1`]);
      local.write(`HTTP/1.1 ${status}\r\n${field}\r\n\r\n`);
      await visitor.until(/\r\n\r\n$/);
      const first = visitor.received;
      if (field.startsWith("Content-Length")) expect(first).toContain(`\r\n${field}\r\n`);
      visitor.write(`GET /second HTTP/1.1\r\nHost: ${tunnel.host}\r\n\r\n`);
      const again = closing(await service.receiving(/GET \/second [^]*\r\n\r\n$/));
      again.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
      expect((await visitor.until(/second$/)).slice(first.length)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    },
  );

  it("may end with its connection, as in HTTP/1.0", async () => {
    const { visitor, local } = await exchange(["GET / HTTP/1.1", "Connection: close"]);
    local.write("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it");
    local.socket.end();
    expect(await visitor.all()).toMatch(/\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/);
  });

  it("to an HTTP/1.0 visitor is neither chunked nor kept alive", async () => {
    const { visitor, local } = await exchange(["GET / HTTP/1.0"]);
    local.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    const answer = await visitor.all();
    expect(answer).toMatch(/\r\n\r\nhello$/);
    expect(answer).not.toMatch(/transfer-encoding/i);
  });
});
