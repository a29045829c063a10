import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ByteChecker, bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { rawVisitor } from "./raw.js";
import { body, type CommandTunnel, response, startTunnel } from "./support.js";

const limit = 100_000;

let upstream: Upstream;
let tunnel: CommandTunnel;
beforeAll(async () => {
  upstream = await startUpstream();
  tunnel = await startTunnel(upstream.port, [
    ...["--max-request-body", String(limit)],
    ...["--max-response-body", String(limit)],
  ]);
});
afterAll(async () => {
  await tunnel.close();
  await upstream.close();
});
const closing = closingAfterEach();

/** The line of the relay's log about the request to `path`. */
function logged(path: string) {
  return tunnel.relay.waitForJson({ msg: "request", path });
}

describe("the limit of request bodies", () => {
  it("is reached without harm", async () => {
    const req = tunnel.request("/hash/all", { method: "POST" }).end(bytesAt(0, limit));
    expect(JSON.parse(String(await body(await response(req))))).toMatchObject({ length: limit });
  });

  it("refuses what declares more, before any of it is sent on", async () => {
    const before = upstream.requests.length;
    const visitor = closing(await rawVisitor(tunnel.port));
    const head = `POST /hash/declared HTTP/1.1\r\nHost: ${tunnel.host}\r\n`;
    visitor.write(`${head}Content-Length: ${limit + 1}\r\nExpect: 100-continue\r\n\r\n`);
    // No 100 comes before it, so the visitor is spared the upload.
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 413 [^]*\r\n\r\nrequest body too large$/);
    expect(upstream.requests.length).toBe(before);
    expect(await logged("/hash/declared")).toMatchObject({ status: 413, outcome: "refused" });
  });

  it("ends an upload that grows beyond it, at both ends", async () => {
    const aborted = upstream.nextAbort();
    const visitor = closing(await rawVisitor(tunnel.port));
    const head = `POST /hash/grows HTTP/1.1\r\nHost: ${tunnel.host}\r\n`;
    const reached = upstream.nextRequest();
    visitor.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
    // Otherwise the relay may have reached the limit before the local service has received anything.
    await reached;
    const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`;
    for (let sent = 0; sent <= limit; sent += 0x8000) visitor.write(chunk);
    expect(await visitor.until(/too large$/)).toMatch(/^HTTP\/1.1 413 [^]*\r\n\r\nrequest body too large$/);
    expect((await aborted).path).toBe("/hash/grows");
    expect(await logged("/hash/grows")).toMatchObject({ status: 413, outcome: "refused" });
  });
});

describe("the limit of response bodies", () => {
  it("is reached without harm", async () => {
    for (const path of [`/bytes/${limit}`, `/bytes/${limit}?chunked`]) {
      const checker = new ByteChecker();
      checker.update(await body(await response(tunnel.request(path).end())));
      expect(checker.length).toBe(limit);
    }
  });

  it("makes a 502 of a response that declares more", async () => {
    const aborted = upstream.nextAbort();
    const path = "/bytes/50000000";
    const res = await response(tunnel.request(path).end());
    expect([res.statusCode, String(await body(res))]).toEqual([502, "tunnel response body too large"]);
    expect((await aborted).path).toBe(path);
    const { status, outcome, reason } = await logged(path);
    expect([status, outcome]).toEqual([502, "refused"]);
    expect(reason).toMatch(/^response_too_large/);
  });

  it("cuts a response of which it shows too late", async () => {
    const aborted = upstream.nextAbort();
    const path = "/bytes/40000000";
    const res = await response(tunnel.request(`${path}?chunked`).end());
    const checker = new ByteChecker();
    res.on("data", (chunk: Buffer) => checker.update(chunk));
    const [error] = (await once(res, "error")) as [NodeJS.ErrnoException];
    expect([error.code, res.complete]).toEqual(["ECONNRESET", false]);
    expect(checker.length).toBeLessThanOrEqual(limit);
    expect((await aborted).path).toBe(`${path}?chunked`);
    const { status, outcome, reason } = await logged(path);
    expect([status, outcome]).toEqual([200, "cut"]);
    expect(reason).toMatch(/^response_too_large/);
  });

  it("does not concern HEAD, which only says how long it would be", async () => {
    const res = await response(tunnel.request("/bytes/5000000", { method: "HEAD" }).end());
    expect([res.statusCode, res.headers["content-length"]]).toEqual([200, "5000000"]);
  });
});

describe("neither limit", () => {
  it("ends an event stream", async () => {
    const res = await response(tunnel.request("/sse?count=20000").end());
    const text = String(await body(res));
    expect(text.length).toBeGreaterThan(limit * 4);
    expect(text).toMatch(/data: event 20000\n\n$/);
  });

  it("ends an upgraded connection", async () => {
    const visitor = closing(await rawVisitor(tunnel.port));
    visitor.write(`GET /up HTTP/1.1\r\nHost: ${tunnel.host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    const head = await visitor.until(/\r\n\r\n/);
    visitor.socket.end(bytesAt(0, limit * 4));
    const echoed = (await visitor.all()).slice(head.length);
    expect(Buffer.from(echoed, "latin1").equals(bytesAt(0, limit * 4))).toBe(true);
  });
});
