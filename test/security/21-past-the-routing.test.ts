import { connect as connectTls } from "node:tls";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ClientErrors } from "../../packages/relay/src/http/server/client-error.js";
import { Pipelines } from "../../packages/relay/src/http/server/pipelines.js";
import { Router } from "../../packages/relay/src/http/route/router.js";
import { Http2Visitor } from "../../packages/relay/test/http2-support.js";
import { startRelay, V1Client } from "../../packages/relay/test/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { createTestCertificate } from "./support/test-certificate.js";
import { socketsOpen } from "./support/open-sockets.js";
import { allStatuses, RawVisitor } from "./support/raw-visitor.js";

/**
 * Node's HTTP server answers some requests by itself and hands others over half done. It answered `Expect: y`
 * with its own 417, of which the relay did not know. An upgrade in the same packet then found the connection
 * taken, and the error came out of a callback of Node's: a program that embeds the relay ended, and the
 * command kept the connection for ever.
 *
 * The defence: the relay takes every kind of request that Node can hand over, and owns the connection from
 * then on. A failure between Node's callback and the exchange costs that connection.
 */
const close = closingAfterEach();
const certificate = createTestCertificate();
afterAll(() => certificate.close());

const upgrade = "GET / HTTP/1.1\r\nHost: x.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const expectation = "GET / HTTP/1.1\r\nHost: x.localhost\r\nExpect: y\r\n\r\n";

describe.each(["http", "https"])("over %s", (scheme) => {
  async function start(): Promise<{ port: number; connect(): RawVisitor }> {
    const tls = scheme === "https" ? { tls: { files: [await certificate.files()] } } : {};
    const { port } = close(await startRelay(tls));
    return {
      port,
      connect: () =>
        close(
          new RawVisitor(
            { port },
            scheme === "https"
              ? (options) => connectTls({ ...options, rejectUnauthorized: false })
              : undefined,
          ),
        ),
    };
  }

  it("an expectation and an upgrade in one packet are both answered, in their order", async () => {
    const { connect } = await start();
    const visitor = connect();
    visitor.send(expectation + upgrade);
    expect(allStatuses(await visitor.all())).toEqual([502, 502]);
  });

  it.each([
    [
      "an expectation",
      `${expectation}GET /last HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n\r\n`,
      [502, 502],
    ],
    [
      "a registration with an expectation",
      `${expectation}GET /_tunnel/register HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      [502, 400],
    ],
    ["an upgrade with an expectation", upgrade.replace("Upgrade: w", "Expect: y\r\nUpgrade: w"), [502]],
    [
      "an upgrade that wants a 100",
      upgrade.replace("Upgrade: w", "Expect: 100-continue\r\nUpgrade: w"),
      [502],
    ],
    ["a CONNECT behind an expectation", `${expectation}CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n`, [502, 501]],
    ["an upgrade behind two requests", `${expectation}${expectation}${upgrade}`, [502, 502]],
    ["an upgrade to HTTP/2", upgrade.replace("websocket", "h2c"), [502]],
  ])("%s is answered, and nothing is left", async (_name, said, expected) => {
    const { connect } = await start();
    const visitor = connect();
    visitor.send(said);
    expect(allStatuses(await visitor.all())).toEqual(expected);
    await expect.poll(socketsOpen).toBe(0);
  });
});

it("what a visitor expects is the service's to meet or to refuse", async () => {
  const relay = close(await startRelay());
  const client = close(await V1Client.connect(relay.port, "x"));
  const visitor = close(new RawVisitor({ port: relay.port }));
  visitor.send(expectation.replace("GET", "PUT"));
  const exchange = await client.accept();
  expect(exchange.head.headers.join("\n")).toMatch(/^expect\ny$/im);
  exchange.stream.sendHead({ status: 417, headers: [] }, true);
  expect(allStatuses(await visitor.until((received) => received.includes("\r\n\r\n")))).toEqual([417]);
});

it("an upgrade behind a request that is still being answered does not cost that answer", async () => {
  const relay = close(await startRelay());
  const client = close(await V1Client.connect(relay.port, "x"));
  const visitor = close(new RawVisitor({ port: relay.port }));
  visitor.send(`GET /slow HTTP/1.1\r\nHost: x.localhost\r\n\r\n${upgrade}`);
  const exchange = await client.accept();
  visitor.send("more of what was to be said after a 101");
  exchange.stream.sendHead({ status: 200, headers: ["Content-Length", "5"] });
  exchange.stream.write(Buffer.from("whole"));
  exchange.stream.end();
  const received = await visitor.all();
  expect(allStatuses(received)).toEqual([200]);
  expect(received).toMatch(/\r\n\r\nwhole$/);
});

describe("a mistake of ours costs a connection, or one stream of it, and nothing else", () => {
  const fail = (): never => {
    throw new Error("a mistake of ours");
  };
  const get = "GET / HTTP/1.1\r\nHost: x.localhost\r\n\r\n";
  const requests = vi.spyOn(Router.prototype, "onRequest");
  const connects = vi.spyOn(Router.prototype, "onConnect");
  const handedOver = vi.spyOn(Pipelines.prototype, "handOver");
  const register = vi.spyOn(ClientErrors.prototype, "onError");
  afterAll(() => {
    for (const spy of [requests, connects, handedOver, register]) spy.mockRestore();
  });

  it.each([
    ["a request", get, requests],
    ["a request that waits for a 100", get.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"), requests],
    ["one that expects more", expectation, requests],
    ["an upgrade", upgrade, handedOver],
    ["a CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", handedOver],
    ["what is no HTTP", "nonsense\r\n\r\n", register],
  ])("%s", async (_entry, said, spy) => {
    const relay = close(await startRelay());
    spy.mockImplementationOnce(fail);
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.send(said);
    expect(await visitor.all()).toBe("");
    await relay.logged("an exchange failed inside the relay");
    const next = close(new RawVisitor({ port: relay.port }));
    next.send(get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    expect(allStatuses(await next.all())).toEqual([502]);
  });

  it.each([
    ["a request over HTTP/2", {}, requests],
    ["a WebSocket over HTTP/2", { ":method": "CONNECT", ":protocol": "websocket", ":path": "/" }, connects],
  ])("%s", async (_entry, fields, spy) => {
    const relay = close(await startRelay({ tls: { files: [await certificate.files()] } }));
    const visitor = close(await Http2Visitor.connect(relay.port));
    spy.mockImplementationOnce(fail);
    expect((await visitor.request(fields, null).closed).code).not.toBe(0);
    await relay.logged("an exchange failed inside the relay");
    expect((await visitor.request({}).head)[":status"]).toBe(502);
  });
});
