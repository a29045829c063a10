import type { RawHeaders } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { describeVisitor, trustedProxies } from "../src/forwarded/forwarded.js";
import { defaultProxyHeaders, proxyHeaders } from "../src/forwarded/proxy-headers.js";

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
const describeSpoofed = (
  peer: string,
  trusted = proxies,
  headers = spoofed,
  believed = defaultProxyHeaders,
) =>
  describeVisitor(peer, "http", "a.tunnel.test", headers, {
    trustedProxies: trusted,
    trustedProxyHeaders: proxyHeaders(believed),
  });

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
      "X-Tunnel-Visitor",
      address,
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
        "a.tunnel.test",
        "X-Forwarded-Proto",
        "https",
        "X-Request-Id",
        visitor.requestId,
        "X-Tunnel-Visitor",
        "203.0.113.9",
      ]);
      // The visitor claims 1.1.1.1. Its real address is the last one that no trusted proxy has.
      expect(visitor.address).toBe("203.0.113.9");
    },
  );

  it.each([
    ["X-Forwarded-Proto", ["X-Forwarded-Proto", "http", "X-Forwarded-Proto", "https"], "https"],
    ["X-Forwarded-Proto", ["X-Forwarded-Proto", "http, https"], "https"],
    ["X-Forwarded-Host", ["X-Forwarded-Host", "evil.test", "x-forwarded-host", "public.test"], "public.test"],
    ["X-Request-Id", ["X-Request-Id", "mine", "X-Request-Id", "the-proxys"], "the-proxys"],
  ])("%s, given as %j, is what the proxy said last: %s", (name, headers, value) => {
    const { add } = describeSpoofed("10.0.0.1", proxies, headers, [name]);
    expect(add[add.indexOf(name) + 1]).toBe(value);
  });

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

  const idIn = ({ add }: { add: RawHeaders }): RawHeaders =>
    add.filter((_, i, all) => /^x-request-id$/i.test(all.at(i - (i % 2))!));

  it("is the relay's own where the visitor gives none, another one for each request", () => {
    const first = describeSpoofed("203.0.113.7");
    expect(first).toMatchObject({ requestId: expect.stringMatching(drawn), visitorRequestId: undefined });
    expect(idIn(first)).toEqual(["X-Request-Id", first.requestId]);
    expect(describeSpoofed("203.0.113.7").requestId).not.toBe(first.requestId);
  });

  it.each([
    ["a visitor", "203.0.113.7", proxies],
    ["a visitor, where nobody is trusted", "10.0.0.1", none],
    ["a proxy that only passes it on", "10.0.0.1", proxies],
  ])(
    "goes on byte for byte when %s gives one, and the relay's own beside it into the log",
    (_, peer, trusted) => {
      for (const given of ["mine", "a;b={c},d", "x".repeat(255), '"<!--$(id)']) {
        const visitor = describeSpoofed(peer, trusted, ["x-Request-ID", given]);
        expect(idIn(visitor)).toEqual(["x-Request-ID", given]);
        expect(visitor.visitorRequestId).toBe(given);
        expect(visitor.requestId).toMatch(drawn);
      }
    },
  );

  it.each([
    ["empty", ["X-Request-Id", ""]],
    ["words", ["X-Request-Id", "a b"]],
    ["a tab", ["X-Request-Id", "a\tb"]],
    ["beyond ASCII", ["X-Request-Id", "\xe4"]],
    ["too long", ["X-Request-Id", "x".repeat(256)]],
    ["given twice, for services take one or the other", ["X-Request-Id", "a", "x-request-id", "b"]],
    ["given twice alike", ["X-Request-Id", "a", "X-Request-Id", "a"]],
    ["spelled as CGI cannot tell from it", ["X_Request_Id", "a"]],
  ])("of a visitor is replaced where it is %s", (_, headers) => {
    const visitor = describeSpoofed("203.0.113.7", proxies, headers);
    expect(idIn(visitor)).toEqual(["X-Request-Id", visitor.requestId]);
    expect(visitor.visitorRequestId).toBeUndefined();
    for (let i = 0; i < headers.length; i += 2) expect(visitor.drop.has(headers.at(i)!)).toBe(true);
  });

  it("is what a trusted proxy says, if it is known to say it, and then nobody else's to say", () => {
    const headers = ["x-request-id", "edge:1/a+b="];
    const ofProxy = describeSpoofed("10.0.0.1", proxies, headers, ["X-Request-Id"]);
    expect(ofProxy).toMatchObject({ requestId: "edge:1/a+b=", visitorRequestId: undefined });
    expect(idIn(ofProxy)).toEqual(["X-Request-Id", "edge:1/a+b="]);
    const past = describeSpoofed("203.0.113.7", proxies, headers, ["X-Request-Id"]);
    expect(past).toMatchObject({ requestId: expect.stringMatching(drawn), visitorRequestId: undefined });
    expect(idIn(past)).toEqual(["X-Request-Id", past.requestId]);
  });

  it.each(["", "a b", 'a"b', "a\tb", "ä", "$(id)", "x".repeat(129)])(
    "is drawn anew when a trusted proxy says %j",
    (given) => {
      const headers = ["X-Request-Id", given];
      expect(describeSpoofed("10.0.0.1", proxies, headers, ["x-request-id"]).requestId).toMatch(drawn);
    },
  );
});

describe("what trusted proxies set", () => {
  const others = [
    "X-Real-IP",
    "1.2.3.4",
    "CF-Connecting-IP",
    "1.2.3.4",
    "X-Auth-User",
    "ann",
    "Accept",
    "*/*",
  ];

  it("travels on as it is, and is dropped from everybody else", () => {
    const names = ["x-real-ip", "X-Auth-User"];
    const { add, drop } = describeSpoofed("10.0.0.1", proxies, others, names);
    expect(add.slice(10)).toEqual(["X-Real-IP", "1.2.3.4", "X-Auth-User", "ann"]);
    for (const name of ["X-Real-IP", "x_real_ip", "X-Auth-User", "x_auth_user", "cf-connecting-ip"]) {
      expect([name, drop.has(name)]).toEqual([name, true]);
    }
    expect(drop.has("Accept")).toBe(false);
    expect(describeSpoofed("203.0.113.7", proxies, others, names).add).toHaveLength(10);
  });

  it("may be nothing at all", () => {
    const { address, add } = describeSpoofed("10.0.0.1", proxies, spoofed, []);
    expect(address).toBe("10.0.0.1");
    expect(add.slice(0, 6)).toEqual([
      ...["X-Forwarded-For", "10.0.0.1", "X-Forwarded-Host", "a.tunnel.test", "X-Forwarded-Proto", "http"],
    ]);
  });

  it.each([
    ...["Forwarded", "X-Forwarded-Port", "x_forwarded_for", "X-Forwarded-Anything", "x_Forwarded-anything"],
    ...["Client-Ip", "True-Client-IP", "Fastly-Client-IP", "X-Original-URL", "X-Rewrite-URL", "Proxy"],
    ...["X-Tunnel-Visitor", "x_tunnel_visitor", "Front-End-Https", "X-Scheme", "X-Script-Name"],
  ])("is never %s by default", (name) => {
    const { add, drop } = describeSpoofed("10.0.0.1", proxies, [name, "of-the-visitor"]);
    expect(drop.has(name)).toBe(true);
    expect(add).not.toContain("of-the-visitor");
  });

  it.each([
    ...["Host", "User-Agent", "Accept", "Cookie", "Authorization", "X-Requested-With", "Traceparent", "Via"],
    ...["X-Forward", "X-Tunnels", "X-Api-Key", "Content-Type", "Client", "Mcp-Session-Id", ""],
  ])("%j is nothing of the kind", (name) => {
    expect(describeSpoofed("203.0.113.7").drop.has(name)).toBe(false);
  });

  it.each(["", "x real ip", "x_real_ip", "X-Tunnel-Visitor", "Host", "connection", "x-real-ip:"])(
    "cannot be %j",
    (name) => {
      expect(() => proxyHeaders([name])).toThrow(`the trusted proxy's header '${name}' is not`);
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
