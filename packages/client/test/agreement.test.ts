import { describe, expect, it } from "vitest";
import type { RawHeaders, RequestHead } from "mcp-tunnel-protocol";
import { agreementFile } from "../../../test/support/agreement.js";
import { Agreement } from "../src/service/http/agreement/agreement.js";
import { termsOf } from "../src/service/http/agreement/terms.js";
import type { Terms } from "../src/service/http/agreement/terms.js";
import { headerPolicy, localHeaders } from "../src/service/http/headers.js";
import { resolveOptions } from "../src/options.js";
import type { TunnelClientOptions } from "../src/options.js";

const visitorHeaders = ["Host", "demo.tunnel.test", "X-Forwarded-Host", "demo.tunnel.test"];

/** One exchange, as the forwarder sees it. */
function exchange(
  client: Partial<TunnelClientOptions>,
  headers: RawHeaders,
  isForwardedOwn = true,
  { path = "/", warn = () => {} }: { path?: string; warn?: Terms["warn"] } = {},
) {
  const options = resolveOptions({ relayUrl: "relay.test", target: "http://localhost:19090", ...client });
  const head: RequestHead = { method: "GET", path, headers };
  const tunnel = { origin: "https://demo.tunnel.test", isForwardedOwn };
  const agreement = new Agreement(termsOf(options, tunnel, warn), head);
  return { agreement, seen: localHeaders(head, headerPolicy(options), agreement) };
}

/** The answer's field as the visitor gets it. */
function answered(agreement: Agreement, field: string, value: string): string | undefined {
  const headers = ["X-A", value, field, value, "X-B", value];
  agreement.settleAnswer(headers);
  expect(headers.toSpliced(2, 2)).toEqual(["X-A", value, "X-B", value]);
  return headers[3];
}

describe("an answer that says where the service is", () => {
  it.each(agreementFile.answers)("$field: $value ($written) becomes $expect: $origin", (vector) => {
    const { field, value, expect: expected, written: hostHeader = "rewrite" } = vector;
    const { agreement } = exchange({ hostHeader }, [...visitorHeaders, "X-Forwarded-Proto", "https"]);
    expect(answered(agreement, field, value)).toBe(expected);
  });

  it("is not touched where the service is told the public name", () => {
    const { agreement } = exchange({ hostHeader: "preserve" }, visitorHeaders);
    for (const { field, value } of agreementFile.answers)
      expect(answered(agreement, field, value)).toBe(value);
  });

  it("allows the origin that the visitor named, where the service was told another", () => {
    const headers = [...visitorHeaders, "X-Forwarded-Proto", "https", "Origin", "https://demo.tunnel.test"];
    const { agreement } = exchange({ origin: "rewrite" }, headers);
    const name = "Access-Control-Allow-Origin";
    expect(answered(agreement, name, "http://localhost:19090")).toBe("https://demo.tunnel.test");
    expect(answered(agreement, name, "https://evil.test")).toBe("https://evil.test");
    expect(answered(agreement, name, "*")).toBe("*");
  });
});

describe("a request that says where the service is", () => {
  it.each(agreementFile.requests)("$field: $value ($policy, $written) becomes $expect: $origin", (vector) => {
    const {
      field,
      value,
      expect: expected,
      policy: origin = "keep",
      written: hostHeader = "rewrite",
    } = vector;
    const sent = [...visitorHeaders, "X-Forwarded-Proto", "https", "X-A", value, field, value, "X-B", value];
    const { seen } = exchange({ hostHeader, origin, forwardedHeaders: "none" }, sent);
    const got = expected === null ? [] : [field, expected];
    expect(seen.slice(2)).toEqual(["X-A", value, ...got, "X-B", value]);
  });

  it.each([
    ["for", "http", "http"],
    ["for", "https", "http"],
    ["for,host", "https", "http"],
    ["for,proto", "http", "http"],
    ["for,proto", "https", "https"],
    ["all", "https", "https"],
    ["all", "gopher", "http"],
  ])(
    "names the service as it knows itself: with %s from a visitor over %s",
    (forwardedHeaders, scheme, own) => {
      const page = "https://demo.tunnel.test";
      const asked = ["Origin", page, "Referer", `${page}/x`, "Destination", `${page}/y`];
      const headers = [...visitorHeaders, "X-Forwarded-Proto", scheme, ...asked];
      const { seen, agreement } = exchange({ forwardedHeaders }, headers);
      // WebDAV servers look at the scheme of the connection.
      const local = [`${own}://localhost:19090`, `${own}://localhost:19090/x`, "http://localhost:19090/y"];
      expect(seen.slice(-6).filter((_, i) => i % 2 === 1)).toEqual(local);
      expect(answered(agreement, "Access-Control-Allow-Origin", `${own}://localhost:19090`)).toBe(page);
    },
  );

  it("loses every Origin with --drop-origin, and its own Referer", () => {
    const { seen } = exchange({ dropOrigin: true }, [
      ...["Host", "demo.tunnel.test", "ORIGIN", "https://a.test", "Origin", "https://b.test"],
      ...[
        "Referer",
        "https://demo.tunnel.test/x",
        "Referer",
        "https://a.test/",
        "referer",
        "https://demo.tunnel.test",
      ],
    ]);
    expect(seen).toEqual(["Host", "localhost:19090", "Referer", "https://a.test/"]);
  });
});

describe("the origin that the visitor asked", () => {
  const location = ({ agreement }: ReturnType<typeof exchange>) =>
    answered(agreement, "Location", "http://localhost:19090/x");

  it.each([
    ["http, without its port", "http", "Demo.B.Test:80", "http://demo.b.test/x"],
    ["http, where the relay made https public", "http", "Demo.Tunnel.Test", "https://demo.tunnel.test/x"],
    ["the same, with the port of http", "http", "demo.tunnel.test:80", "https://demo.tunnel.test/x"],
    ["http, at another port", "http", "demo.tunnel.test:8080", "http://demo.tunnel.test:8080/x"],
    ["https, without its port", "https", "demo.tunnel.test:443", "https://demo.tunnel.test/x"],
    ["https, at port 80", "https", "demo.tunnel.test:80", "https://demo.tunnel.test:80/x"],
    ["an address", "http", "[::1]:8080", "http://[::1]:8080/x"],
    ["another name of the relay", "https", "demo.other.test", "https://demo.other.test/x"],
    ["what is no scheme", "gopher", "demo.tunnel.test:70", "https://demo.tunnel.test/x"],
    ["what is no host", "http", "evil.test/x?", "https://demo.tunnel.test/x"],
    ["user information", "http", "a@evil.test", "https://demo.tunnel.test/x"],
    ["nothing", "http", "", "https://demo.tunnel.test/x"],
  ])("is told by the relay: %s", (_what, scheme, host, expected) => {
    const headers = ["Host", "demo.tunnel.test", "X-Forwarded-Host", host, "X-Forwarded-Proto", scheme];
    expect(location(exchange({}, headers))).toBe(expected);
  });

  it("is the one that an original relay acknowledged, which passes on what visitors say", () => {
    const said = ["X-Forwarded-Host", "evil.test", "X-Forwarded-Proto", "http"];
    expect(location(exchange({}, ["Host", "x", ...said], false))).toBe("https://demo.tunnel.test/x");
    const own = exchange({ origin: "rewrite" }, [...said, "Origin", "http://evil.test"], false);
    expect(own.seen).toContain("http://evil.test");
  });

  it("is told to the client also where it is not told to the service", () => {
    const headers = [
      "Host",
      "demo.tunnel.test",
      "X-Forwarded-Host",
      "demo.b.test",
      "X-Forwarded-Proto",
      "http",
    ];
    expect(location(exchange({ forwardedHeaders: "none" }, headers))).toBe("http://demo.b.test/x");
  });

  it("is the acknowledged https one, and not http, behind a proxy that does not tell the scheme", () => {
    const seen = (origin: string) =>
      exchange({}, [...visitorHeaders, "X-Forwarded-Proto", "http", "Origin", origin]).seen.at(-1);
    expect(seen("https://demo.tunnel.test")).toBe("http://localhost:19090");
    expect(seen("http://demo.tunnel.test")).toBe("http://demo.tunnel.test");
  });
});

describe("a service that redirects http to https", () => {
  const path = "/a?b";
  const redirect = (client: Partial<TunnelClientOptions>, location: string, scheme = "https") => {
    const warnings: string[] = [];
    const { agreement } = exchange(client, [...visitorHeaders, "X-Forwarded-Proto", scheme], true, {
      path,
      warn: ({ code, message }) => warnings.push(code, message),
    });
    answered(agreement, "Location", location);
    return warnings;
  };

  it("would do so for ever, which the user is told", () => {
    expect(redirect({}, `https://localhost:19090${path}`)).toEqual([
      "redirects_to_https",
      expect.stringMatching(/^\/a\?b redirects to itself .* try --forwarded-headers for,proto$/),
    ]);
  });

  it.each(["for", "for,proto"])(
    "would, told %s, behind a proxy that the relay does not know",
    (forwardedHeaders) => {
      expect(redirect({ forwardedHeaders }, `https://localhost:19090${path}`, "http")).toEqual([
        "redirects_to_https",
        expect.stringMatching(/^\/a\?b redirects to itself .*--trusted-proxy\)$/),
      ]);
    },
  );

  it("is no matter for a visitor without it", () => {
    const warnings: string[] = [];
    const headers = ["Host", "demo.b.test", "X-Forwarded-Host", "demo.b.test", "X-Forwarded-Proto", "http"];
    const { agreement } = exchange({}, headers, true, { path, warn: ({ code }) => warnings.push(code) });
    expect(answered(agreement, "Location", `https://localhost:19090${path}`)).toBe(
      `http://demo.b.test${path}`,
    );
    expect(warnings).toEqual([]);
  });

  it.each<[string, Partial<TunnelClientOptions>, string]>([
    ["to another path", {}, "https://localhost:19090/login"],
    ["without https", {}, `http://localhost:19090${path}`],
    ["to another server", {}, `https://demo.tunnel.test${path}`],
    ["that knows better", { forwardedHeaders: "for,proto" }, `https://localhost:19090${path}`],
  ])("is no matter %s", (_what, client, location) => {
    expect(redirect(client, location)).toEqual([]);
  });
});

describe("the X-Forwarded fields that the service sees", () => {
  const sent = [
    ...[
      "Host",
      "demo.tunnel.test",
      "X-Forwarded-For",
      "1",
      "x-forwarded-host",
      "2",
      "X-Forwarded-Proto",
      "3",
    ],
    ...["X-Forwarded-Port", "4", "X_Forwarded_Host", "5", "Forwarded", "6", "X-Request-Id", "7"],
  ];
  it("are the address alone where it sees its own Host, and all where it sees the public one", () => {
    const of = (hostHeader: string) =>
      exchange({ hostHeader }, sent).seen.filter((_, i) => i > 1 && i % 2 === 1);
    expect(of("rewrite").join(" ")).toBe("1 7");
    expect(of("app.test").join(" ")).toBe("1 7");
    expect(of("preserve").join(" ")).toBe("1 2 3 4 5 6 7");
  });

  it.each([
    ["all", "1 2 3 4 5 6 7"],
    ["none", "7"],
    ["for", "1 7"],
    ["proto, For", "1 3 7"],
    ["for,host,proto", "1 2 3 7"],
  ])("%s", (forwardedHeaders, expected) => {
    const { seen } = exchange({ forwardedHeaders }, sent);
    expect(seen.filter((_, i) => i > 1 && i % 2 === 1).join(" ")).toBe(expected);
  });
});
