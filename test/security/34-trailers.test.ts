import { startTunnelClient } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { END, frame, types } from "../../packages/protocol/test/support/wire.js";
import { Http2Visitor } from "../../packages/relay/test/http2-support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startCannedServer } from "../support/raw-server.js";
import { HostileRelay, wholeBody } from "./support/hostile-relay.js";
import { connectRawClient, startRawRelay } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { RecordingClient } from "./support/recording-client.js";
import { startRecordedRelay, startSecureRelay } from "./support/servers.js";

/**
 * The attack: a visitor sends after the body what he may not send in the head of a request. Some servers
 * merge trailers into the head, as RFC 7230 still let them, or a framework reads both from one place. Then
 * `X-Forwarded-For: 127.0.0.1` is the visitor's address after all, and a `Cookie` or `Host` is not the one
 * that was checked.
 *
 * The defence: both ends drop from trailers, in every spelling, all fields that they write or take out in
 * heads, and the fields that only a head can have (RFC 9110 section 6.5.1).
 */
const close = closingAfterEach();

/** Names that a request may not have in its trailers, then those of a response. */
const forbidden = [
  ...["X-Forwarded-For", "x_forwarded_for", "Forwarded", "X-Real-IP", "X-Request-Id", "X_Request_Id"],
  ...["Cookie", "Authorization", "Host", "Origin", "Expect", "Content-Type", "Content_Type", "Range"],
  ...["If-Match", "X-Forwarded-Port", "CF-Connecting-IP", "true_client_ip", "X-Tunnel-Visitor", "Proxy"],
  ...["Sec-Fetch-Site", "X-Original-URL", "Content-Disposition", "X-Tunnel-User", "x_tunnel_scope"],
];
const forbiddenInAnswers = [
  ...["Set-Cookie", "Set_Cookie", "Clear-Site-Data", "X-Request-Id", "X-Tunnel-Error", "Content-Type"],
  ...[
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "Location",
    "Cache-Control",
    "WWW-Authenticate",
  ],
  ...["Access-Control-Allow-Origin", "Content-Disposition"],
];

/** Only these may come after a body. */
const allowed = [
  "X-Sum",
  "1",
  "grpc-status",
  "0",
  "Server-Timing",
  "db;dur=53",
  "Content-Digest",
  "sha-256=:x:",
];
const fieldsOf = (names: readonly string[]): string[] => [
  ...names.flatMap((name) => [name, "smuggled"]),
  ...allowed,
];
const linesOf = (fields: readonly string[]): string =>
  fields.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join("");
const pairs = (fields: readonly string[]): [string, string][] =>
  fields.flatMap((text, i) => (i % 2 === 0 ? [[text, fields[i + 1] as string]] : []));
const lower = (fields: readonly string[]): string[] =>
  fields.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));

describe("of a request", () => {
  it.each([
    ["a visitor's", {}],
    ["those that a trusted proxy passes on", { trustedProxies: ["127.0.0.1"] }],
  ])("%s arrive without what belongs in the head", async (_, options) => {
    const world = close(await startRecordedRelay(options));
    const visitor = close(new RawVisitor({ port: world.port }));
    visitor.send(
      "POST / HTTP/1.1\r\nHost: app.tunnel.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
        `2\r\nhi\r\n0\r\n${linesOf(fieldsOf(forbidden))}\r\n`,
    );
    expect(statuses(await visitor.all())).toEqual([200]);
    expect(world.client.requests[0]?.trailers).toEqual(allowed);
  });

  it("over HTTP/2 as well", async () => {
    const relay = close(await startSecureRelay());
    const client = close(await RecordingClient.connect(relay.plainPort, "app"));
    const visitor = close(await Http2Visitor.connect(relay.securePort));
    const request = visitor.session.request(
      { ":authority": "app.tunnel.test", ":method": "POST" },
      { waitForTrailers: true },
    );
    const closed = new Promise((resolve) => request.on("close", resolve));
    const fields = lower(fieldsOf(forbidden));
    request.on("wantTrailers", () => {
      request.sendTrailers(Object.fromEntries(pairs(fields)));
    });
    request.resume();
    request.end("hi");
    await closed;
    expect(client.requests[0]?.trailers).toEqual(lower(allowed));
  });

  it("of a relay that was taken over reach the local service no better", async () => {
    const hostile = close(await HostileRelay.start());
    const head = ["POST", "/", "Host", "app.tunnel.test", "Trailer", "X-Sum"].join("\n");
    expect(await hostile.send(head, { body: "hi", trailers: fieldsOf(forbidden.filter(known)) })).toBe(
      "answered",
    );
    const [seen = ""] = hostile.used;
    expect(wholeBody(seen)).toBe("hi");
    expect(seen).not.toContain("smuggled");
  });
});

/** Names that only a relay has to know. A relay that lies about a visitor's address can do so in the head. */
const relayOnly = /^(cf-connecting-ip|true_client_ip|proxy|x-original-url)$/i;
const known = (name: string): boolean => !relayOnly.test(name);

describe("of a response", () => {
  it("reach no visitor with what belongs in the head", async () => {
    const relay = close(await startSecureRelay());
    const hostile = close(await connectRawClient(relay.plainPort, "app"));
    const answer = async (nth: number): Promise<void> => {
      const { stream } = await hostile.until((frames) =>
        frames.filter(({ type }) => type === types.REQUEST).at(nth),
      );
      hostile.send(
        Buffer.concat([
          frame(types.RESPONSE, stream, "200"),
          frame(types.DATA, stream, "hi"),
          frame(types.END, stream, fieldsOf(forbiddenInAnswers).join("\n")),
        ]),
      );
    };
    const http1 = close(new RawVisitor({ port: relay.plainPort }));
    http1.send("GET / HTTP/1.1\r\nHost: app.tunnel.test\r\nTE: trailers\r\nConnection: close\r\n\r\n");
    await answer(0);
    const received = await http1.all();
    expect(received.slice(received.indexOf("2\r\nhi\r\n"))).toBe(`2\r\nhi\r\n0\r\n${linesOf(allowed)}\r\n`);

    const http2 = close(await Http2Visitor.connect(relay.securePort));
    const visit = http2.request({ ":authority": "app.tunnel.test", te: "trailers" }).read();
    await answer(1);
    await visit.closed;
    expect(Object.entries(visit.trailers ?? {}).flat()).toEqual(lower(allowed));
  });

  it("of a local service leave the client without it", async () => {
    const service = close(
      await startCannedServer(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n${linesOf(fieldsOf(forbiddenInAnswers))}\r\n`,
      ),
    );
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
    const { payload } = await peer.next("END");
    expect(payload.toString("latin1").split("\n")).toEqual(allowed);
  });
});
