import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { openAuthenticator } from "../src/auth/open.js";
import { providerAuthenticator } from "../src/auth/provider.js";
import { parseStaticToken, type StaticToken, staticAuthenticator } from "../src/auth/static.js";

describe("open mode", () => {
  it("gives any name that is asked for", async () => {
    expect(await openAuthenticator.authenticate({ token: "t", subdomain: "x" })).toEqual({ allowed: ["*"] });
  });

  it("derives a name from the token: the first 6 bytes of its SHA-256", async () => {
    // printf secret | sha256sum
    const result = await openAuthenticator.authenticate({ token: "secret", subdomain: undefined });
    expect(result).toEqual({ allowed: ["2bb80d537b1d"] });
  });
});

describe("static tokens", () => {
  it.each([
    ["t:a", "t", ["a"]],
    ["t:a,b-*", "t", ["a", "b-*"]],
    ["with:colon:a", "with:colon", ["a"]],
    ["a,b:c", "a,b", ["c"]],
  ])("reads %s", (text, token, subdomains) => {
    expect(parseStaticToken(text)).toEqual({ token, subdomains });
  });

  it.each([
    ["t", "the colon is missing"],
    ["", "the colon is missing"],
    [":a", "the token is empty"],
    ["t:", "pattern ''"],
    ["t:a,,b", "pattern ''"],
    ["t:a*b*", "pattern 'a*b*'"],
    ["t:a.b", "pattern 'a.b'"],
  ])("refuses %j", (text, message) => {
    expect(() => parseStaticToken(text)).toThrow(message);
  });

  it.each<[string, unknown, string]>([
    ["no array", { token: "t", subdomains: ["a"] }, "in an array, not as an object"],
    ["nothing", [undefined], "the static token 1 of 1 is not usable; the token is no string, but undefined"],
    ["an empty token", [{ token: "", subdomains: ["a"] }], "the token is empty"],
    ["a number", [{ token: 5, subdomains: ["a"] }], "the token is no string, but a number"],
    ["half a digest", [{ token: "sha256:s3cret", subdomains: ["a"] }], "64 hex digits"],
    ["a name for the names", [{ token: "t", subdomains: "a" }], "are no array of patterns, but a string"],
    ["two stars", [{ token: "t", subdomains: ["a", "a**"] }], "the subdomain pattern 'a**' is not usable"],
    ["a pattern that is none", [{ token: "t", subdomains: [5] }], "the subdomain pattern '5' is not usable"],
  ])("of a program are looked at as those of the command are: %s", (_what, tokens, message) => {
    const expected = { code: "invalid_option", message: expect.stringContaining(message) };
    expect(() => staticAuthenticator(tokens as StaticToken[])).toThrow(expect.objectContaining(expected));
    expect(() => staticAuthenticator(tokens as StaticToken[])).toThrow(/^(?!.*s3cret)/);
  });

  it("knows its tokens and no others", async () => {
    const authenticator = staticAuthenticator([
      { token: "one", subdomains: ["a"] },
      { token: "two", subdomains: ["b"] },
      { token: "one", subdomains: ["c-*"] },
    ]);
    const authenticate = (token: string) => authenticator.authenticate({ token, subdomain: undefined });
    expect(await authenticate("one")).toEqual({ allowed: ["a", "c-*"] });
    expect(await authenticate("two")).toEqual({ allowed: ["b"] });
    for (const token of ["", "On", "ONE", "one ", "three"]) {
      expect(await authenticate(token)).toEqual({ refused: "invalid token" });
    }
  });
});

describe("the auth provider", () => {
  let server: Server | undefined;
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  async function provider(listener: RequestListener, options: { timeoutMs?: number } = {}) {
    server = createServer(listener);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const authenticator = providerAuthenticator({
      url: `http://127.0.0.1:${port}/base/`,
      secret: "relay-secret",
      ...options,
    });
    closers.push(() => authenticator.close?.());
    return authenticator;
  }

  const unavailable = { refused: "auth provider unavailable", undecided: true };

  const answer =
    (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
    (_, res) => {
      res.writeHead(status, headers).end(body);
    };

  it("is asked with the token, the requested name and the relay's secret", async () => {
    const seen: unknown[] = [];
    const authenticator = await provider((req, res) => {
      let body = "";
      req.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      req.on("end", () => {
        seen.push(req.method, req.url, req.headers["x-relay-secret"], JSON.parse(body));
        res.end('{"subdomains":["a","b-*"],"more":1}');
      });
    });
    expect(await authenticator.authenticate({ token: "t", subdomain: "x" })).toEqual({
      allowed: ["a", "b-*"],
    });
    expect(await authenticator.authenticate({ token: "t", subdomain: undefined })).toHaveProperty("allowed");
    expect(seen).toEqual([
      "POST",
      "/base/api/verify",
      "relay-secret",
      { token: "t", subdomain: "x" },
      "POST",
      "/base/api/verify",
      "relay-secret",
      { token: "t", subdomain: "" },
    ]);
  });

  it.each([
    [401, '{"error":"token expired"}', "token expired"],
    [403, '{"error":"not you"}', "not you"],
    [403, "", "invalid token"],
    [401, '{"error":7}', "invalid token"],
    [401, '{"error":""}', "invalid token"],
    [500, '{"error":"x"}', "auth provider unavailable"],
    [404, "", "auth provider unavailable"],
    [201, '{"subdomains":["a"]}', "auth provider unavailable"],
    [200, "", "auth provider unavailable"],
    [200, "{}", "auth provider unavailable"],
    [200, '{"subdomains":"a"}', "auth provider unavailable"],
    [200, '{"subdomains":[1]}', "auth provider unavailable"],
    [200, '{"subdomains":["a**"]}', "auth provider unavailable"],
  ])("refuses on %s %s", async (status, body, refused) => {
    const authenticator = await provider(answer(status, body));
    const expected = refused === unavailable.refused ? unavailable : { refused };
    expect(await authenticator.authenticate({ token: "t", subdomain: "a" })).toEqual(expected);
  });

  it("is not followed elsewhere: the secret would go along", async () => {
    let redirected = false;
    const authenticator = await provider((req, res) => {
      if (req.url === "/elsewhere") {
        redirected = true;
        res.end('{"subdomains":["a"]}');
      } else res.writeHead(307, { location: "/elsewhere" }).end();
    });
    expect(await authenticator.authenticate({ token: "t", subdomain: "a" })).toEqual(unavailable);
    expect(redirected).toBe(false);
  });

  it("cannot fill the relay's memory: an endless answer is cut", async () => {
    let cut: (() => void) | undefined;
    const wasCut = new Promise<void>((resolve) => {
      cut = resolve;
    });
    const authenticator = await provider((_, res) => {
      const piece = Buffer.alloc(16_384, " ");
      const pump = () => {
        while (res.write(piece));
      };
      res.on("drain", pump);
      res.on("close", () => cut?.());
      pump();
    });
    expect(await authenticator.authenticate({ token: "t", subdomain: "a" })).toEqual(unavailable);
    await wasCut;
  });

  it.each<[string, RequestListener]>([
    ["never answers", () => {}],
    [
      "never ends its answer",
      (_, res) => {
        res.write('{"subdomains":');
      },
    ],
    ["hangs up", (req) => req.socket.destroy()],
  ])("refuses when it %s", async (_, listener) => {
    const authenticator = await provider(listener, { timeoutMs: 200 });
    expect(await authenticator.authenticate({ token: "t", subdomain: "a" })).toEqual(unavailable);
  });

  it("refuses when nobody listens there", async () => {
    const authenticator = await provider(answer(200, "{}"));
    server?.close();
    expect(await authenticator.authenticate({ token: "t", subdomain: "a" })).toEqual(unavailable);
  });

  it.each(["", "a.test", "ftp://a.test", "http://a.test?x"])("needs a proper URL, not %j", (url) => {
    expect(() => providerAuthenticator({ url, secret: "s" })).toThrow(`the auth provider's URL '${url}'`);
  });
});
