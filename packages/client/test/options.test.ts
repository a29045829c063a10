import { afterEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { environmentProxy } from "../src/cli/environment-proxy.js";
import { parseDuration } from "../src/cli/options.js";
import { registerUrl, resolveOptions } from "../src/options.js";
import { parseTarget } from "../src/forward/target.js";

const base = { relayUrl: "relay.test", port: 3000 };

describe("the relay's URL", () => {
  it.each([
    ["https://relay.test", "wss://relay.test/_tunnel/register"],
    ["http://relay.test", "ws://relay.test/_tunnel/register"],
    ["wss://relay.test", "wss://relay.test/_tunnel/register"],
    ["ws://relay.test:8080", "ws://relay.test:8080/_tunnel/register"],
    ["relay.test", "wss://relay.test/_tunnel/register"],
    ["relay.test/", "wss://relay.test/_tunnel/register"],
    ["localhost:8080", "wss://localhost:8080/_tunnel/register"],
    ["[::1]:8080", "wss://[::1]:8080/_tunnel/register"],
    ["HTTPS://Relay.Test//", "wss://relay.test/_tunnel/register"],
    ["https://proxy.test/tunnels/", "wss://proxy.test/tunnels/_tunnel/register"],
    [" https://relay.test ", "wss://relay.test/_tunnel/register"],
  ])("%s is %s", (given, expected) => {
    expect(registerUrl(given)).toBe(expected);
  });

  it.each([
    "",
    "ftp://relay.test",
    "https://",
    "https://a b",
    "https://user:pw@relay.test",
    "relay.test?x",
    "relay.test#x",
  ])("%j is refused", (given) => {
    expect(() => registerUrl(given)).toThrow(TunnelError);
  });
});

describe("the proxy on the way to the relay", () => {
  it.each([
    ["http://proxy.lan:3128", "http://proxy.lan:3128/"],
    ["https://ann:s3cret@proxy.lan", "https://ann:s3cret@proxy.lan/"],
  ])("may be %s", (proxyUrl, expected) => {
    expect(resolveOptions({ ...base, proxyUrl }).proxyUrl?.href).toBe(expected);
  });

  it.each(["", "proxy.lan:3128", "socks5://ann:s3cret@proxy.lan", "http://ann:s3cret@pro xy"])(
    "may not be %j, and no password is shown",
    (proxyUrl) => {
      expect(() => resolveOptions({ ...base, proxyUrl })).toThrow(/^the proxy '(?!.*s3cret)/);
    },
  );

  it.each([
    ["nothing", "wss://relay.test/", {}, undefined],
    ["HTTPS_PROXY", "wss://relay.test/", { HTTPS_PROXY: "http://proxy:3128" }, "http://proxy:3128"],
    ["https_proxy", "wss://relay.test/", { https_proxy: "http://proxy:3128" }, "http://proxy:3128"],
    ["no scheme", "wss://relay.test/", { HTTPS_PROXY: "proxy:3128" }, "http://proxy:3128"],
    ["a proxy with TLS", "wss://relay.test/", { HTTPS_PROXY: "https://proxy" }, "https://proxy"],
    ["HTTP_PROXY, for a relay with TLS", "wss://relay.test/", { HTTP_PROXY: "http://proxy" }, undefined],
    ["HTTP_PROXY, for one without", "ws://relay.test/", { HTTP_PROXY: "proxy:3128" }, "http://proxy:3128"],
    ["ALL_PROXY", "wss://relay.test/", { ALL_PROXY: "proxy:3128" }, "http://proxy:3128"],
    ["NO_PROXY", "wss://relay.test/", { HTTPS_PROXY: "http://proxy", NO_PROXY: ".test" }, undefined],
    ["this machine", "ws://127.0.0.1:8080/", { HTTP_PROXY: "http://proxy" }, undefined],
    ["this machine", "ws://[::1]:8080/", { HTTP_PROXY: "http://proxy" }, undefined],
    ["this machine", "wss://app.localhost/", { HTTPS_PROXY: "http://proxy" }, undefined],
  ])("is taken from the environment: %s for %s", (_what, registerUrl, variables, expected) => {
    stubProxies(variables);
    expect(environmentProxy(registerUrl)).toBe(expected);
  });

  it("may not be SOCKS in the environment either, and the way out is named", () => {
    stubProxies({ ALL_PROXY: "socks5://ann:s3cret@proxy.lan" });
    expect(() => environmentProxy("wss://relay.test/")).toThrow(
      "the environment names the proxy 'socks5://proxy.lan' for relay.test, and it is not an HTTP proxy: " +
        "give another by --proxy, or set NO_PROXY=relay.test to go without",
    );
  });

  afterEach(() => vi.unstubAllEnvs());

  function stubProxies(variables: Readonly<Record<string, string>>): void {
    for (const name of ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"]) {
      vi.stubEnv(name, undefined);
      vi.stubEnv(name.toLowerCase(), undefined);
    }
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  }
});

describe("the local service", () => {
  it.each([
    ["http://localhost:3000", "localhost", 3000, "localhost:3000"],
    ["http://localhost", "localhost", 80, "localhost:80"],
    ["http://127.0.0.1:80/", "127.0.0.1", 80, "127.0.0.1:80"],
    ["https://[::1]:8443", "::1", 8443, "[::1]:8443"],
    ["https://localhost", "localhost", 443, "localhost:443"],
    // Elsewhere a default port is not written, as browsers do.
    ["http://box.lan", "box.lan", 80, "box.lan"],
    ["https://box.lan:8443", "box.lan", 8443, "box.lan:8443"],
  ])("%s", (given, hostname, port, authority) => {
    expect(parseTarget(given)).toMatchObject({ hostname, port, authority });
  });

  it.each([
    "3000x",
    "localhost:3000",
    "ftp://x",
    "http://localhost/app",
    "http://localhost?q",
    "http://u:p@localhost",
    "//x",
  ])("%s is refused", (given) => {
    expect(() => parseTarget(given)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it.each([0, -1, 65_536, 1.5, Number.NaN])("port %s is refused", (port) => {
    expect(() => resolveOptions({ relayUrl: "relay.test", port })).toThrow(/port/);
  });

  it("is either a port or a target", () => {
    expect(() => resolveOptions({ relayUrl: "relay.test" })).toThrow(/either/);
    expect(() => resolveOptions({ ...base, target: "http://localhost:1" })).toThrow(/either/);
  });
});

describe("options", () => {
  it("draws another token each time when none is given", () => {
    const tokens = new Set([1, 2, 3].map(() => resolveOptions(base).token));
    expect(tokens.size).toBe(3);
  });

  it.each([
    { token: "" },
    { subdomain: "" },
    { subdomain: "a b" },
    { subdomain: "demo.tunnel.test" },
    { subdomain: "x".repeat(64) },
    { hostHeader: "" },
    { hostHeader: "a b" },
    { hostHeader: "a\r\nX: y" },
    { maxReconnectTimeMs: -1 },
    { maxReconnectTimeMs: Number.NaN },
    { shutdownGraceMs: -1 },
    { maxStreams: 0 },
    { connectTimeoutMs: 0.5 },
  ])("refuses %j", (option) => {
    expect(() => resolveOptions({ ...base, ...option })).toThrow(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });

  it("reads durations with a unit, seconds without", () => {
    expect(["500ms", "90", "90s", "1.5m", "2h", "0"].map(parseDuration)).toEqual([
      500, 90_000, 90_000, 90_000, 7_200_000, 0,
    ]);
    for (const wrong of ["", "s", "5x", "-1s", "1 s", "1h30m", "1e3", "999h"]) {
      expect(() => parseDuration(wrong), wrong).toThrow(/number with a unit/);
    }
  });
});
