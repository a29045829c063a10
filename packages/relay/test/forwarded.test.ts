import type { RawHeaders } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { describeVisitor, trustedProxies } from "../src/http/forwarded.js";

const spoofed: RawHeaders = [
  "X-Forwarded-For",
  "1.1.1.1",
  "x-forwarded-for",
  "203.0.113.9 , 10.0.0.2",
  "X-Forwarded-Host",
  "public.test",
  "X-Forwarded-Proto",
  "HTTPS",
  "Forwarded",
  "for=1.1.1.1",
  "X-Real-IP",
  "1.1.1.1",
];
const none = trustedProxies([]);
const proxies = trustedProxies(["10.0.0.0/8", "fd00::/8", "192.0.2.1"]);
const describeSpoofed = (peer: string, trusted = proxies, headers = spoofed) =>
  describeVisitor(peer, "http", "a.tunnel.test", headers, trusted);

describe("X-Forwarded-*", () => {
  it.each([
    ["nobody is trusted", "10.0.0.1", "10.0.0.1", none],
    ["the peer is not", "203.0.113.7", "203.0.113.7", proxies],
    ["the peer came over a dual-stack socket", "::ffff:203.0.113.7", "203.0.113.7", proxies],
    ["the peer is a neighbour of the trusted one", "192.0.2.2", "192.0.2.2", proxies],
    ["the peer is IPv6", "2001:db8::1", "2001:db8::1", proxies],
  ])("is the relay's own when %s", (_, peer, address, trusted) => {
    const visitor = describeSpoofed(peer, trusted);
    expect(visitor.address).toBe(address);
    expect(visitor.add).toEqual([
      "X-Forwarded-For",
      address,
      "X-Forwarded-Host",
      "a.tunnel.test",
      "X-Forwarded-Proto",
      "http",
      "X-Request-Id",
      visitor.requestId,
    ]);
    for (const field of ["forwarded", "x-real-ip", "x-request-id", "x-forwarded-for", "x-forwarded-port"]) {
      expect(visitor.drop.has(field)).toBe(true);
    }
  });

  it.each(["10.0.0.1", "::ffff:10.0.0.1", "fd12::1", "192.0.2.1"])(
    "is appended to what the trusted proxy %s says",
    (peer) => {
      const visitor = describeSpoofed(peer);
      const own = peer.replace("::ffff:", "");
      expect(visitor.add).toEqual([
        "X-Forwarded-For",
        `1.1.1.1, 203.0.113.9, 10.0.0.2, ${own}`,
        "X-Forwarded-Host",
        "public.test",
        "X-Forwarded-Proto",
        "https",
        "X-Request-Id",
        visitor.requestId,
      ]);
      // 1.1.1.1 is what the visitor claims; the last address that no trusted proxy has is the visitor's.
      expect(visitor.address).toBe("203.0.113.9");
      expect(visitor.drop.has("forwarded")).toBe(false);
    },
  );

  it.each([
    [["X-Forwarded-For", "rubbish"], "10.0.0.1"],
    [["X-Forwarded-For", "9.9.9.9, rubbish, 10.0.0.2"], "10.0.0.2"],
    [["X-Forwarded-For", "127.1"], "10.0.0.1"],
    [["X-Forwarded-For", "10.0.0.3, 10.0.0.2"], "10.0.0.3"],
    [["X-Forwarded-For", "fe80::1%eth0"], "fe80::1%eth0"],
    [[], "10.0.0.1"],
  ])("with %j from a trusted proxy, the visitor is %s", (headers, address) => {
    expect(describeSpoofed("10.0.0.1", proxies, headers).address).toBe(address);
  });

  it("takes no scheme but http and https", () => {
    const visitor = describeSpoofed("10.0.0.1", proxies, ["X-Forwarded-Proto", "javascript"]);
    expect(visitor.add.slice(4, 6)).toEqual(["X-Forwarded-Proto", "http"]);
  });
});

describe("X-Request-Id", () => {
  const drawn = /^[0-9a-f]{32}$/;

  it("is the relay's own, another one for each request, whatever a visitor says", () => {
    const headers = ["X-Request-Id", "mine"];
    const first = describeSpoofed("203.0.113.7", proxies, headers).requestId;
    expect(first).toMatch(drawn);
    expect(describeSpoofed("203.0.113.7", proxies, headers).requestId).not.toBe(first);
    expect(describeSpoofed("10.0.0.1", none, headers).requestId).toMatch(drawn);
  });

  it("is what a trusted proxy says", () => {
    const { requestId, add, drop } = describeSpoofed("10.0.0.1", proxies, ["x-request-id", "edge:1/a+b="]);
    expect(requestId).toBe("edge:1/a+b=");
    expect(add.slice(-2)).toEqual(["X-Request-Id", "edge:1/a+b="]);
    expect(drop.has("x-request-id")).toBe(true);
  });

  it.each(["", "a b", 'a"b', "a\tb", "ä", "$(id)", "x".repeat(129)])(
    "is drawn anew when a trusted proxy says %j",
    (given) => {
      expect(describeSpoofed("10.0.0.1", proxies, ["X-Request-Id", given]).requestId).toMatch(drawn);
    },
  );
});

describe("trusted proxies", () => {
  it.each([
    "",
    "10.0.0.0/33",
    "10.0.0/8",
    "127.1",
    "::/129",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "a.test",
    "10.0.0.0/+8",
  ])("refuses %j", (range) => {
    expect(() => trustedProxies([range])).toThrow(`the trusted proxy '${range}' is not`);
  });
});
