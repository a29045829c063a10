import { afterEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { environmentProxy } from "../../cli/src/options/environment-proxy.js";
import { parseLocal, readDuration } from "../../cli/src/options/flags.js";
import { parseCommandLine } from "../../cli/src/options/command-line.js";
import { resolveOptions } from "../src/options.js";
import type { TunnelClientOptions } from "../src/options.js";
import { registerUrl } from "../src/relay-place.js";
import type { Service } from "../src/service/service.js";
import { parseTarget } from "../src/service/http/target.js";

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
    expect(resolveOptions({ ...base, proxyUrl }).relay.proxyUrl?.href).toBe(expected);
  });

  it.each([
    "",
    "proxy.lan:3128",
    "socks5://ann:s3cret@proxy.lan",
    "http://ann:s3cret@pro xy",
    "ann:s3cret@proxy.lan:3128",
    "ann:s3@cret@proxy.lan",
    "SOCKS5:/ann:s3cret@proxy.lan",
  ])("may not be %j, and no password is shown", (proxyUrl) => {
    expect(() => resolveOptions({ ...base, proxyUrl })).toThrow(/^the proxy '(?!.*s3)(?!.*cret)/);
  });

  it("may not have a % in its password that begins no escape", () => {
    const proxyUrl = "http://ann:s3cret%@proxy.lan";
    expect(() => resolveOptions({ ...base, proxyUrl })).toThrow(/^(?!.*s3cret).* write %25 for it$/);
  });

  it("is not the only URL whose password is not shown", () => {
    expect(() => registerUrl("https://ann:s3cret@relay.test")).toThrow(/^(?!.*s3cret).*relay\.test/);
    expect(() => parseTarget("http://ann:s3cret@localhost")).toThrow(/^(?!.*s3cret).*localhost/);
  });

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
    [
      "NO_PROXY",
      "wss://app.relay.test/",
      { HTTPS_PROXY: "http://proxy", NO_PROXY: "a.b,relay.test" },
      undefined,
    ],
    ["NO_PROXY", "wss://myrelay.test/", { HTTPS_PROXY: "http://p", NO_PROXY: "relay.test" }, "http://p"],
    [
      "HTTPS_PROXY before ALL_PROXY",
      "wss://r.test/",
      { HTTPS_PROXY: "https://p:1", ALL_PROXY: "p:1" },
      "https://p:1",
    ],
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
    // For other machines a default port is left out, as browsers do.
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

  it.each([
    ["3000", "http://localhost:3000"],
    [":3000", "http://localhost:3000"],
    ["localhost:3000", "http://localhost:3000"],
    ["localhost:3000/", "http://localhost:3000"],
    ["box.lan:80", "http://box.lan"],
    ["127.0.0.1:3000", "http://127.0.0.1:3000"],
    ["[::1]:3000", "http://[::1]:3000"],
    ["HTTPS://box.lan", "https://box.lan"],
  ])("may be %s on the command line", (given, origin) => {
    expect(resolveOptions({ relayUrl: "relay.test", ...parseLocal(given) }).target.origin).toBe(origin);
  });

  it.each([
    "",
    "service",
    "localhost",
    ":",
    "localhost:99999",
    "::1:3000",
    "http://::1:3000",
    "[::1]",
    "ftp://x",
  ])("%j on the command line is refused, and what it takes is named", (given) => {
    expect(() => parseLocal(given)).toThrow(/localhost:3000 or \[::1\]:3000/);
  });

  it.each([0, -1, 65_536, 1.5, Number.NaN])("port %s is refused", (port) => {
    expect(() => resolveOptions({ relayUrl: "relay.test", port })).toThrow(/port/);
  });

  it("is either a port or a target", () => {
    expect(() => resolveOptions({ relayUrl: "relay.test" })).toThrow(/either/);
    expect(() => resolveOptions({ ...base, target: "http://localhost:1" })).toThrow(/either/);
  });
});

describe("the gate of a service", () => {
  const resolve = (gate: unknown) => {
    const service = { accept: () => {}, open: 0, close: () => {}, gate } as unknown as Service;
    return resolveOptions({ relayUrl: "relay.test", service });
  };

  it.each([undefined, { kinds: [], digest: "x" }, { kinds: ["oauth", "later"], digest: "x" }])(
    "may be %j",
    (gate) => expect(resolve(gate).form).toMatchObject({ name: "service", service: { gate } }),
  );

  // A relay would take these for no gate.
  it.each<[unknown, string]>([
    ["bearer", "service.gate is a string; it must be an object with kinds and digest"],
    [{ kinds: "bearer" }, "service.gate.kinds is a string; it must be an array of words"],
    [
      { kinds: ["Bearer"], digest: "x" },
      "service.gate.kinds.0 is the string 'Bearer'; it must be a word of 1 to 16 of a-z, 0-9 and -",
    ],
    [
      { kinds: ["bearer"], digest: "" },
      "service.gate.digest is the string ''; it must be 1 to 128 visible characters of ASCII",
    ],
  ])("is refused when it is %j", (gate, message) => {
    expect(() => resolve(gate)).toThrow(message);
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
    { origin: "other" as "keep" },
    { origin: "rewrite" as const, dropOrigin: true },
    { oauthMetadata: "drop" as "keep" },
    { forwardedHeaders: "" },
    { forwardedHeaders: "for,all" },
    { forwardedHeaders: "x-forwarded-for" },
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

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "the options must be an object, not undefined"],
    ["a number", 3000, "the options must be an object, not a number"],
    ["no relay", { port: 3000 }, "relayUrl is undefined; it must be the URL of a relay, such as https://"],
    [
      "a relay that is undefined",
      { ...base, relayUrl: undefined },
      "relayUrl is undefined; it must be the URL",
    ],
    ["another name for it", { port: 3000, relay: "x" }, "no option 'relay'; did you mean 'relayUrl'?"],
    ["a wrong name", { ...base, tokn: "t" }, "no option 'tokn'; did you mean 'token'?"],
    ["other capitals", { ...base, subDomain: "t" }, "no option 'subDomain'; did you mean 'subdomain'?"],
    ["a name like none", { ...base, verbose: true }, "there is no option 'verbose'"],
    ["relayUrl", { ...base, relayUrl: 5 }, "relayUrl is a number; it must be the URL of a relay"],
    ["relayUrl", { ...base, relayUrl: null }, "relayUrl is null; it must be the URL of a relay"],
    ["port", { ...base, port: "3000" }, "port is a string; it must be a whole number from 1 to 65535"],
    ["target", { ...base, port: undefined, target: 5 }, "target is 5; it must be a string or a URL"],
    ["proxyUrl", { ...base, proxyUrl: {} }, "proxyUrl is an object; it must be a string or a URL"],
    ["token", { ...base, token: 5 }, "token is a number; it must be a string"],
    ["token", { ...base, token: null }, "token is null; it must be a string"],
    ["subdomain", { ...base, subdomain: ["a"] }, "subdomain is an array; it must be a string"],
    ["pick", { ...base, pick: "a" }, "pick is the string 'a'; it must be a function"],
    ["origin", { ...base, origin: true }, "origin is a boolean; it must be one of: keep, rewrite, drop"],
    ["dropOrigin", { ...base, dropOrigin: "false" }, "dropOrigin is a string; it must be a boolean"],
    [
      "forwardedHeaders",
      { ...base, forwardedHeaders: "port" },
      "are 'all', 'none' or some of 'for', 'host' and 'proto', as in 'for,proto', not 'port'",
    ],
    ["maxStreams", { ...base, maxStreams: "5" }, "maxStreams is a string; it must be a whole number from 1"],
    [
      "maxStreams",
      { ...base, maxStreams: Infinity },
      "maxStreams is Infinity; it must be a whole number from 1",
    ],
    ["liveness", { ...base, liveness: 5 }, "liveness must be an object, not a number"],
    ["liveness", { ...base, liveness: { pingInterval: 5 } }, "in liveness; did you mean 'pingIntervalMs'?"],
    [
      "liveness",
      { ...base, liveness: { pingTimeoutMs: "5" } },
      "liveness.pingTimeoutMs is the string '5'; it must be a number",
    ],
    [
      "liveness",
      { ...base, liveness: { pingIntervalMs: Infinity } },
      "pingIntervalMs is Infinity; it must be a number of milliseconds from 0 to 2147483647",
    ],
    [
      "observeExchange",
      { ...base, observeExchange: true },
      "observeExchange is a boolean; it must be a function",
    ],
  ])("that are of the wrong kind are told: %s", (_what, given, message) => {
    expect(() => resolveOptions(given as TunnelClientOptions)).toThrow(
      expect.objectContaining({ code: "invalid_option", message: expect.stringContaining(message) }),
    );
  });

  it.each<[string, object, string[]]>([
    ["a wrong name", { ...base, tokn: "t" }, ["tokn"]],
    ["the wrong kind", { ...base, maxStreams: "5" }, ["maxStreams"]],
    ["the wrong value", { ...base, hostHeader: "a b" }, ["hostHeader"]],
    ["one of a few", { ...base, oauthMetadata: "drop" }, ["oauthMetadata"]],
    ["one within another", { ...base, liveness: { pingTimeoutMs: 0 } }, ["liveness.pingTimeoutMs"]],
    ["two at once", { ...base, target: "http://localhost:1" }, ["port", "target"]],
    ["a contradiction", { ...base, origin: "keep", dropOrigin: true }, ["origin", "dropOrigin"]],
  ])("that are refused are named beside the message: %s", (_what, given, options) => {
    expect(() => resolveOptions(given as TunnelClientOptions)).toThrow(expect.objectContaining({ options }));
  });

  it("that are undefined are left out", () => {
    const given: unknown = {
      relayUrl: "relay.test",
      port: undefined,
      target: new URL("http://localhost:1"),
      proxyUrl: new URL("http://proxy.lan"),
      token: undefined,
    };
    const { target, relay } = resolveOptions(given as TunnelClientOptions);
    expect([target.port, relay.proxyUrl?.href]).toEqual([1, "http://proxy.lan/"]);
  });

  it("are never a timer that ends at once because it is too long", () => {
    const { connectTimeoutMs, registerTimeoutMs, shutdownGraceMs } = resolveOptions({
      ...base,
      connectTimeoutMs: 2 ** 40,
      registerTimeoutMs: 2 ** 40,
      shutdownGraceMs: Infinity,
    });
    expect([connectTimeoutMs, registerTimeoutMs, shutdownGraceMs]).toEqual(Array(3).fill(0x7fffffff));
  });

  it("knows --drop-origin as another name, and what the command line says wins over the environment", () => {
    const read = (args: string[], environment: Record<string, string> = {}) => {
      for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
      const { client, local } = parseCommandLine(["3000", "--relay", "relay.test", ...args]).tunnel;
      vi.unstubAllEnvs();
      return resolveOptions({ ...client, ...local }).origin;
    };
    expect(read(["--drop-origin"])).toBe("drop");
    expect(read(["--drop-origin", "--origin", "drop"])).toBe("drop");
    expect(read(["--origin", "rewrite"])).toBe("rewrite");
    expect(read([], { MCP_TUNNEL_DROP_ORIGIN: "1" })).toBe("drop");
    expect(read([], { MCP_TUNNEL_ORIGIN: "rewrite" })).toBe("rewrite");
    expect(read(["--origin", "rewrite"], { MCP_TUNNEL_DROP_ORIGIN: "1" })).toBe("rewrite");
    expect(read(["--drop-origin"], { MCP_TUNNEL_ORIGIN: "rewrite" })).toBe("drop");
    expect(() => read(["--drop-origin", "--origin", "rewrite"])).toThrow(
      /cannot be 'rewrite' and be dropped/,
    );
    expect(() => read([], { MCP_TUNNEL_DROP_ORIGIN: "1", MCP_TUNNEL_ORIGIN: "keep" })).toThrow(/dropped/);
  });

  it("are the same on the command line as in the library where nothing is given", () => {
    const { client, local } = parseCommandLine(["3000", "--relay", "relay.test"]).tunnel;
    const given = { ...client, ...local };
    const { origin, forwardedHeaders, oauthMetadata, hostHeader } = resolveOptions(given);
    const library = resolveOptions(base);
    expect({ origin, forwardedHeaders, oauthMetadata, hostHeader }).toEqual({
      origin: library.origin,
      forwardedHeaders: library.forwardedHeaders,
      oauthMetadata: library.oauthMetadata,
      hostHeader: library.hostHeader,
    });
  });

  it("reads the longest head as a number of bytes, with or without a unit", () => {
    const read = (given: string) =>
      parseCommandLine(["3000", "--relay", "relay.test", "--max-response-head", given]).tunnel.local;
    expect(read("131072")?.maxResponseHeadBytes).toBe(131_072);
    expect(read("128KiB")?.maxResponseHeadBytes).toBe(131_072);
  });

  it("reads durations with a unit, seconds without", () => {
    expect(["500ms", "90", "90s", "1.5m", "2h", "0"].map(readDuration)).toEqual([
      500, 90_000, 90_000, 90_000, 7_200_000, 0,
    ]);
    for (const wrong of ["", "s", "5x", "-1s", "1  s", "1h30m", "1e3", "999h"]) {
      expect(() => readDuration(wrong), wrong).toThrow(/number with a unit/);
    }
  });
});
