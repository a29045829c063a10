import { expect, it } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { Http2Visitor } from "./http2-support.js";
import { RawVisitor, startRelay } from "./support.js";

const closing = closingAfterEach();
const get = (path: string, host = "localhost"): string =>
  `GET ${path} HTTP/1.1\nHost: ${host}\nConnection: close`;

it("sends events one after the other, at the domain itself", async () => {
  const relay = closing(await startRelay());
  const visitor = closing(new RawVisitor(relay.port));
  visitor.request(get("/_tunnel/stream"));
  const first = await visitor.until((text) => text.includes("data: 1"));
  expect(first).toContain("Content-Type: text/event-stream");
  expect(first).not.toContain("data: 2");
  expect(await visitor.all()).toContain("data: 5");
  expect(await relay.record(1)).toMatchObject({ outcome: "completed", status: 200, responseBytes: 45 });
});

it("has no such path at a tunnel's name", async () => {
  const relay = closing(await startRelay());
  const visitor = closing(new RawVisitor(relay.port));
  visitor.request(get("/_tunnel/stream", "app.localhost"));
  expect(await visitor.all()).toContain("tunnel_not_found");
});

it("ends with its visitor, and keeps only so many", async () => {
  await expectNoLeaks(async () => {
    const relay = await startRelay();
    const visitors = Array.from({ length: 32 }, () => {
      const visitor = new RawVisitor(relay.port);
      visitor.request(get("/_tunnel/stream"));
      return visitor;
    });
    await Promise.all(visitors.map((visitor) => visitor.until((text) => text.includes("data: 1"))));
    const late = new RawVisitor(relay.port);
    late.request(get("/_tunnel/stream"));
    expect(await late.all()).toContain("HTTP/1.1 404 ");
    for (const visitor of [...visitors, late]) visitor.close();
    expect(await relay.record(33)).toMatchObject({ outcome: "cancelled" });
    await relay.close();
  });
});

/** The attack: visitors who take nothing keep all the places there are, as long as they like. */
it("cuts visitors over HTTP/2 who take no event", async () => {
  const folder = closing(createFolder());
  const pair = await (await createAuthority()).issue(["localhost", "127.0.0.1"]);
  const files = [{ cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) }];
  const relay = closing(await startRelay({ tls: { files }, writeTimeoutMs: 200 }));
  const visitor = closing(await Http2Visitor.connect(relay.port, { initialWindowSize: 0 }));
  const exchange = visitor.request({ ":path": "/_tunnel/stream", ":authority": "localhost" });
  expect(await exchange.head).toMatchObject({ ":status": 200 });
  expect(await exchange.closed).toMatchObject({ ended: false });
  expect(await relay.record(1)).toMatchObject({ outcome: "cancelled" });
});
