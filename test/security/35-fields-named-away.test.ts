import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startTunnelClient } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { END, frame, types } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startCannedServer } from "../support/raw-server.js";
import { HostileRelay, wholeBody } from "./support/hostile-relay.js";
import { connectRawClient, startRawRelay } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { startRecordedRelay } from "./support/servers.js";

/**
 * The attack: `Connection` names fields that are for the next hop only, and a hop takes them out of a message
 * that it passes on. So `Connection: host` takes the Host away, by which a service decides for whom a page
 * is. `authorization` or `x-forwarded-for` take away a field that a proxy had added: without it, a service
 * may take the request for one from its own machine. `content-length` takes away the end of the body, so that
 * the rest of it is the next request (N. Davison, "Abusing HTTP hop-by-hop request headers", 2019;
 * CVE-2022-31813). In an answer it takes out the policies that protect a browser.
 *
 * The defence: fields that a message needs cannot be named away (RFC 9110 section 7.6.1: a sender may not
 * name them).
 */
const close = closingAfterEach();

const ofRequests = [
  ...["Content-Length", "Content-Type", "Cookie", "Authorization", "Origin", "Sec-Fetch-Site", "If-Match"],
  ...["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id"],
];
const needed = ["Host", ...ofRequests];
const request = [
  "POST / HTTP/1.1",
  "Host: app.tunnel.test",
  `Connection: close, ${needed.join(", ")}, X-Hop`,
  ...["Content-Length: 2", "Content-Type: text/plain", "Cookie: a=1", "Authorization: Basic x"],
  ...["Origin: https://a.test", "Sec-Fetch-Site: cross-site", 'If-Match: "x"', "X-Hop: for the relay only"],
].join("\r\n");

/** The names in `fields`, in lower case and in order. */
const namesIn = (fields: readonly string[]): string[] =>
  fields.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());

describe("a visitor's Connection", () => {
  it("takes nothing from a request that it needs", async () => {
    const world = close(await startRecordedRelay());
    const visitor = close(new RawVisitor({ port: world.port }));
    visitor.send(`${request}\r\n\r\nhi`);
    expect(statuses(await visitor.all())).toEqual([200]);
    const names = namesIn(world.client.requests[0]?.head.headers ?? []);
    expect(names).toEqual(expect.arrayContaining(needed.map((name) => name.toLowerCase())));
    expect(names).not.toContain("x-hop");
  });

  it("on the JSON wire as little", async () => {
    const world = close(await startRecordedRelay());
    const { ws } = close(await connectRawClient(world.port, "json", { protocol: undefined }));
    const message = once(ws, "message");
    const visitor = close(new RawVisitor({ port: world.port }));
    visitor.send(`${request.replace("app.tunnel", "json.tunnel")}\r\n\r\nhi`);
    const [data] = (await message) as [Buffer];
    const { headers } = JSON.parse(data.toString()) as { headers: Record<string, string> };
    const names = Object.keys(headers).map((name) => name.toLowerCase());
    // This wire tells the length in another way.
    const expected = needed.map((name) => name.toLowerCase()).filter((name) => name !== "content-length");
    expect(names).toEqual(expect.arrayContaining(expected));
    expect(names).not.toContain("x-hop");
  });

  it("may be as long as a head may be", async () => {
    const world = close(await startRecordedRelay());
    const visitor = close(new RawVisitor({ port: world.port }));
    const options = Array.from({ length: 5_000 }, (_, i) => `x${i}`).join(",");
    visitor.send(`GET / HTTP/1.1\r\nHost: app.tunnel.test\r\nConnection: close,${options}\r\nX77: 1\r\n\r\n`);
    expect(statuses(await visitor.all())).toEqual([200]);
    expect(namesIn(world.client.requests[0]?.head.headers ?? [])).not.toContain("x77");
  });
});

describe("the Connection of a relay that was taken over", () => {
  it("makes no second request of a body", async () => {
    const hostile = close(await HostileRelay.start());
    const inner = "GET /inner HTTP/1.1\r\nHost: somewhere.else\r\n\r\n";
    // An announced trailer, or an Expect, makes the client send the request on a connection of its own.
    for (const reason of ["Trailer\nX-Sum", "Expect\nx"]) {
      hostile.forget();
      const length = `Content-Length\n${inner.length}`;
      const head = `GET\n/\nHost\nx\nConnection\ncontent-length\n${length}\n${reason}`;
      expect(await hostile.send(head, { body: inner })).toBe("answered");
      expect(hostile.used.map(wholeBody)).toEqual([inner]);
    }
  });

  it("takes neither Host nor cookie from the local service", async () => {
    const server = createServer((req, res) => res.end(JSON.stringify(req.rawHeaders)));
    close({ close: () => server.close() });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const relay = close(await startRawRelay());
    const [peer, client] = await Promise.all([
      relay.nextClient(),
      startTunnelClient({
        port: (server.address() as AddressInfo).port,
        relayUrl: `http://127.0.0.1:${relay.port}`,
        hostHeader: "preserve",
        shutdownGraceMs: 0,
      }),
    ]);
    close(client);
    const head = "GET\n/\nHost\napp.tunnel.test\nConnection\nhost, cookie, x-hop\nCookie\na=1\nX-Hop\n1";
    peer.send(frame(types.REQUEST | END, 1, head));
    const { payload } = await peer.next("DATA");
    const fields = JSON.parse(payload.toString()) as string[];
    expect(fields).toEqual(expect.arrayContaining(["app.tunnel.test", "Cookie", "a=1"]));
    expect(namesIn(fields)).not.toContain("x-hop");
  });
});

describe("the Connection of an answer", () => {
  const fields = [
    ...["Content-Length", "2", "Content-Type", "text/plain", "Set-Cookie", "a=1"],
    ...["Content-Security-Policy", "default-src 'none'", "X-Frame-Options", "DENY", "X-Hop", "1"],
    ...["Access-Control-Allow-Origin", "https://a.test", "Cache-Control", "private", "Vary", "Cookie"],
  ];
  const naming = ["Connection", `keep-alive, ${namesIn(fields).join(", ")}`, ...fields];
  const kept = namesIn(fields).filter((name) => name !== "x-hop");

  it("takes nothing from it that a browser needs, at the relay", async () => {
    const world = close(await startRecordedRelay());
    const hostile = close(await connectRawClient(world.port, "other"));
    const visitor = close(new RawVisitor({ port: world.port }));
    visitor.send("GET / HTTP/1.1\r\nHost: other.tunnel.test\r\nConnection: close\r\n\r\n");
    const { stream } = await hostile.next("REQUEST");
    hostile.send(
      Buffer.concat([
        frame(types.RESPONSE, stream, ["200", ...naming].join("\n")),
        frame(types.DATA | END, stream, "ok"),
      ]),
    );
    const received = await visitor.all();
    const names = [...received.matchAll(/^([\w-]+):/gm)].map((match) => (match[1] as string).toLowerCase());
    expect(names).toEqual(expect.arrayContaining(kept));
    expect(names).not.toContain("x-hop");
    expect(received.endsWith("\r\n\r\nok")).toBe(true);
  });

  it("nor at the client", async () => {
    const lines = naming.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join("");
    const service = close(await startCannedServer(`HTTP/1.1 200 OK\r\n${lines}\r\nok`));
    const relay = close(await startRawRelay());
    const [peer, client] = await Promise.all([
      relay.nextClient(),
      startTunnelClient({
        port: service.port,
        relayUrl: `http://127.0.0.1:${relay.port}`,
        shutdownGraceMs: 0,
      }),
    ]);
    close(client);
    peer.send(frame(types.REQUEST | END, 1, "GET\n/\nHost\napp.tunnel.test"));
    const { payload } = await peer.next("RESPONSE");
    expect(namesIn(payload.toString("latin1").split("\n").slice(1))).toEqual(kept);
  });
});
