import { describe, expect, it } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
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
