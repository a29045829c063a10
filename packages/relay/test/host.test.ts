import { describe, expect, it } from "vitest";
import { originForm, parseHost } from "../src/http/route/host.js";

const domain = "tunnel.test";
const parse = (host: string | string[], target = "/") =>
  parseHost(
    [host].flat().flatMap((value) => ["Host", value]),
    target,
    domain,
  );

describe("the Host of a request", () => {
  it.each([
    ["myapp.tunnel.test", "myapp"],
    ["MyApp.Tunnel.TEST", "myapp"],
    ["myapp.tunnel.test:8080", "myapp"],
    ["myapp.tunnel.test:", "myapp"],
    ["myapp.tunnel.test.", "myapp"],
    ["myapp.tunnel.test.:80", "myapp"],
    ["xn--bcher-kva.tunnel.test", "xn--bcher-kva"],
  ])("%s names the tunnel %s", (host, name) => {
    expect(parse(host)).toEqual({ kind: "tunnel", name });
  });

  it.each(["tunnel.test", "TUNNEL.test.:443"])("%s is the domain itself", (host) => {
    expect(parse(host)).toEqual({ kind: "base" });
  });

  // The original took the first label, and ignored the rest.
  it.each([
    "myapp.example.com",
    "myapp.tunnel.test.example.com",
    "myapptunnel.test",
    "xtunnel.test",
    ".tunnel.test",
    "a.b.tunnel.test",
    "test",
    "localhost",
    "127.0.0.1",
    "[::1]:8080",
  ])("%s is not served", (host) => {
    expect(parse(host)).toEqual({ kind: "foreign" });
  });

  it.each([
    "x@myapp.tunnel.test",
    "myapp.tunnel.test:80:80",
    "myapp.tunnel.test:http",
    "myapp.tunnel.test:-1",
    "myapp.tunnel.test, b.tunnel.test",
    "my app.tunnel.test",
    "myapp.tunnel.test/x",
    "myapp.tunnel.test#",
    "myapp%2etunnel.test",
    "http://myapp.tunnel.test",
    "[::1",
    ":80",
    "mÿapp.tunnel.test",
  ])("%s is no host", (host) => {
    expect(parse(host)).toEqual({ kind: "invalid" });
  });

  it("must be there", () => {
    expect(parseHost([], "/", domain)).toEqual({ kind: "missing" });
    expect(parse("")).toEqual({ kind: "missing" });
  });

  it("must be there once, for Node shows the first of several and another server may take the last", () => {
    expect(parse(["a.tunnel.test", "b.tunnel.test"])).toEqual({ kind: "invalid" });
    expect(parse(["a.tunnel.test", "a.tunnel.test"])).toEqual({ kind: "invalid" });
    expect(parseHost(["Host", "a.tunnel.test", "hOsT", "b.tunnel.test"], "/", domain)).toEqual({
      kind: "invalid",
    });
  });

  it.each([
    ["a.tunnel.test", "http://a.tunnel.test/x", { kind: "tunnel", name: "a" }],
    ["a.tunnel.test", "HTTPS://A.tunnel.test:443/x", { kind: "tunnel", name: "a" }],
    ["a.tunnel.test", "http://b.tunnel.test/x", { kind: "invalid" }],
    ["a.tunnel.test", "http://user@a.tunnel.test/x", { kind: "invalid" }],
    ["a.tunnel.test", "http://?x", { kind: "invalid" }],
  ])("%s must agree with the target %s", (host, target, expected) => {
    expect(parse(host, target)).toEqual(expected);
  });
});

describe("the target in origin form", () => {
  it.each([
    ["/", "/"],
    ["/a//b/../c%2f?x=1", "/a//b/../c%2f?x=1"],
    ["/a#b", undefined],
    ["//evil.test/x", "//evil.test/x"],
    ["http://a.test/x?y", "/x?y"],
    ["http://a.test", "/"],
    ["http://a.test?x", "/?x"],
    ["*", undefined],
    ["*/x", undefined],
    ["a.test:80", undefined],
    ["ftp://a.test/", undefined],
  ])("%s becomes %s", (target, expected) => {
    expect(originForm(target, "GET")).toBe(expected);
  });

  it("* stays for OPTIONS", () => {
    expect(originForm("*", "OPTIONS")).toBe("*");
  });
});
