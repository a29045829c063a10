import { describe, expect, it } from "vitest";
import { startRelay, V1Client } from "../../packages/relay/test/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { socketsOpen } from "./support/open-sockets.js";
import { allStatuses, RawVisitor } from "./support/raw-visitor.js";

/**
 * The attack: if a connection closes after an answer, the bytes after its request are no request. A second
 * answer was sent to them nevertheless. A proxy in front could take it for the answer to another visitor's
 * request. And bytes after a request with `Connection: close` cost that request its own answer.
 *
 * The defence: the relay reads the bytes after the last request and throws them away, within bounds. It
 * answers the request, then the connection closes (RFC 9112 section 9.6).
 */
const close = closingAfterEach();

const closing = "GET / HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n\r\n";
const late = [
  "x",
  "GET /2 HTTP/1.1\r\nHost: x.localhost\r\n\r\n",
  "\0".repeat(70_000),
  `${closing}${closing}`,
];

describe.each(late.map((text) => [text.slice(0, 10), text]))("%j behind the last request", (_name, text) => {
  it("does not cost that request its answer, however long it takes", async () => {
    const relay = close(await startRelay());
    const client = close(await V1Client.connect(relay.port, "x"));
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.send(closing + text);
    const exchange = await client.accept();
    visitor.send(text);
    exchange.stream.sendHead({ status: 200, headers: ["Content-Length", "5"] });
    exchange.stream.write(Buffer.from("whole"));
    exchange.stream.end();
    const received = await visitor.all();
    expect(allStatuses(received)).toEqual([200]);
    expect(received).toMatch(/\r\n\r\nwhole$/);
  });

  it.each([
    [
      "an ambiguous length",
      "POST / HTTP/1.0\r\nHost: x.localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    [
      "a body that is too large",
      "POST / HTTP/1.1\r\nHost: x.localhost\r\nContent-Length: 9999999\r\n\r\n",
      413,
    ],
    [
      "an upgrade with a body, which is ignored",
      "POST / HTTP/1.1\r\nHost: x.localhost\r\nConnection: Upgrade\r\nUpgrade: y\r\nContent-Length: 9\r\n\r\n",
      502,
    ],
    ["a registration without WebSocket", "GET /_tunnel/register HTTP/1.1\r\nHost: localhost\r\n\r\n", 426],
    ["HTTP/1.0", "GET / HTTP/1.0\r\nHost: y.localhost\r\n\r\n", 502],
    ["a CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501],
  ])("gets no answer of its own after a refusal: %s", async (_refused, request, status) => {
    const relay = close(await startRelay());
    const visitor = close(new RawVisitor({ port: relay.port }));
    visitor.send(request);
    visitor.send(text);
    await visitor.until((received) => received.includes("\r\n\r\n"));
    visitor.send(`${text}\r\n\r\n${text}`);
    expect(allStatuses(await visitor.all())).toEqual([status]);
  });
});

it("is read within bounds", async () => {
  const relay = close(await startRelay());
  const client = close(await V1Client.connect(relay.port, "x"));
  const visitor = close(new RawVisitor({ port: relay.port }));
  visitor.send(closing);
  const exchange = await client.accept();
  visitor.send("x".repeat(4_000_000));
  await visitor.closed;
  expect((await exchange.wasReset).code).toBe("cancelled");
  await expect.poll(socketsOpen).toBe(2);
});

it("does not hide that the visitor leaves", async () => {
  const relay = close(await startRelay());
  const client = close(await V1Client.connect(relay.port, "x"));
  const visitor = close(new RawVisitor({ port: relay.port }));
  visitor.send(`${closing}x`);
  const exchange = await client.accept();
  visitor.close();
  expect((await exchange.wasReset).code).toBe("cancelled");
});
