import { expect, it } from "vitest";
import { frame, types } from "../../packages/protocol/test/support/wire.js";
import { Http2Visitor } from "../../packages/relay/test/http2-support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { connectRawClient, type RawPeer } from "./support/raw-peers.js";
import { RawVisitor } from "./support/raw-visitor.js";
import { startSecureRelay } from "./support/servers.js";

/**
 * The attack: the relay narrows a cookie for the whole domain to its own tunnel, but only in final heads. In
 * an interim head (103 Early Hints), which some browsers and proxies read as they read any head, the cookie
 * reaches all tunnels. So does `Clear-Site-Data`, by which all tunnels lose theirs.
 *
 * The defence: interim heads are for hints (RFC 8297 section 2). The relay passes neither field on in one.
 */
const close = closingAfterEach();

const planted = ["Set-Cookie", "sid=planted; Domain=tunnel.test", "sEt-CoOkIe", "own=planted"];
const interim = [...planted, "Clear-Site-Data", '"cookies"', "Link", "</a.css>; rel=preload"];

async function hint(peer: RawPeer): Promise<void> {
  const { stream } = await peer.next("REQUEST");
  for (const status of ["103", "102", "199"]) {
    peer.send(frame(types.INTERIM, stream, [status, ...interim].join("\n")));
  }
  peer.answer(stream, "ok");
}

// This holds also where tunnels may share their cookies: the final answer need not have the fields of its
// 103.
it.each(["narrow", "keep"] as const)("they arrive nowhere (--cookie-domain %s)", async (cookieDomain) => {
  const relay = close(await startSecureRelay({ cookieDomain }));
  const hostile = close(await connectRawClient(relay.plainPort, "app"));
  const hinted = hint(hostile);
  const http1 = close(new RawVisitor({ port: relay.plainPort }));
  http1.send("GET / HTTP/1.1\r\nHost: app.tunnel.test\r\nConnection: close\r\n\r\n");
  const received = await http1.all();
  await hinted;
  expect(received).toMatch(/^HTTP\/1\.1 103 .*^HTTP\/1\.1 102 .*^HTTP\/1\.1 199 .*^HTTP\/1\.1 200 /ms);
  expect(received).toContain("Link: </a.css>; rel=preload\r\n");
  expect(received).not.toMatch(/planted|clear-site-data/i);

  const other = close(await connectRawClient(relay.plainPort, "other"));
  const hintedAgain = hint(other);
  const http2 = close(await Http2Visitor.connect(relay.securePort));
  const visit = http2.request({ ":authority": "other.tunnel.test" }).read();
  await visit.head;
  await hintedAgain;
  expect(visit.interim.map((head) => head[":status"])).toEqual([103, 102, 199]);
  for (const head of visit.interim) {
    expect(head).not.toHaveProperty("set-cookie");
    expect(head).not.toHaveProperty("clear-site-data");
    expect(head).toHaveProperty("link");
  }
});
