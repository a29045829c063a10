import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { parseCommandLine } from "../src/options/command-line.js";
import { findConfigFile } from "../src/config/find.js";
import { readTunnelsFile } from "../src/config/tunnels-file.js";
import type { TunnelSettings } from "../src/options/tunnel-options.js";

const closing = closingAfterEach();
afterEach(() => vi.unstubAllEnvs());

let ca: string;
beforeAll(async () => {
  ca = (await createAuthority()).cert;
});

function fileWith(text: string, name = "file"): string {
  return closing(createFolder()).write(name, text);
}

function settingsOf(args: readonly string[], relay = "https://relay.test"): TunnelSettings {
  return parseCommandLine(["--relay", relay, ...args]).tunnel;
}

describe("--relay-ca", () => {
  it("is read, also from the environment", () => {
    const file = fileWith(ca);
    expect(settingsOf(["3000", "--relay-ca", file]).client.relayTls).toEqual({ ca });
    vi.stubEnv("MCP_TUNNEL_RELAY_CA", file);
    expect(settingsOf(["3000"]).client.relayTls).toEqual({ ca });
    // A variable is often set for several relays.
    expect(settingsOf(["3000"], "http://127.0.0.1:8080").client).not.toHaveProperty("relayTls");
  });

  it.each<[string, () => string[], object]>([
    [
      "a relay without TLS",
      () => ["--relay", "http://127.0.0.1:1", "--relay-ca", fileWith(ca)],
      {
        code: "invalid_option",
        options: ["relay-ca"],
        message: "--relay-ca has no effect with http://127.0.0.1:1, which has no TLS",
      },
    ],
    [
      "a file that is not there",
      () => ["--relay-ca", "/nowhere/ca.pem"],
      {
        code: "unavailable",
        options: ["relay-ca"],
        message: expect.stringContaining("cannot read --relay-ca: ENOENT"),
      },
    ],
    [
      "a file of something else",
      () => ["--relay-ca", fileWith("a key")],
      {
        code: "invalid_option",
        options: ["relay-ca"],
        message: expect.stringMatching(/^--relay-ca has no certificate in PEM form .*: .*file$/),
      },
    ],
  ])("is refused for %s", (_what, args, error) => {
    expect(() => parseCommandLine(["3000", "--relay", "relay.test", ...args()])).toThrow(
      expect.objectContaining(error),
    );
  });
});

describe("--relay-header", () => {
  it("gives fields, each at its first colon", () => {
    const args = ["3000", "--relay-header", "X-A: b:c ", "--relay-header", "X-D:"];
    expect(settingsOf(args).client.relayHeaders).toEqual({ "X-A": "b:c", "X-D": "" });
  });

  it("is read from a file, with comments, and from the environment, and the command line wins", () => {
    const file = fileWith("# of the access proxy\n\nX-A: file\r\nX-B: file\n");
    vi.stubEnv("MCP_TUNNEL_RELAY_HEADER", "X-A: variable");
    expect(settingsOf(["3000"]).client.relayHeaders).toEqual({ "X-A": "variable" });
    const given = settingsOf(["3000", "--relay-header-file", file]).client.relayHeaders;
    expect(given).toEqual({ "X-A": "file", "X-B": "file" });
  });

  it.each([
    [["s3cret"], "--relay-header, number 1 is not 'Name: value'"],
    [["X-A: b", "Host: s3cret"], "--relay-header, number 2: the field 'Host' cannot be given"],
    [["X-A: b", "x-a: s3cret"], "--relay-header, number 2: the field 'x-a' is there twice"],
    [["X-A: s3cret\u0007"], "--relay-header, number 1: the field 'X-A' has a value with a character"],
  ])("may not be %j, and no value is shown", (fields, message) => {
    const args = fields.flatMap((field) => ["--relay-header", field]);
    expect(() => settingsOf(["3000", ...args])).toThrow(
      expect.objectContaining({
        code: "invalid_option",
        options: ["relay-header", "relay-header-file"],
        message: expect.stringMatching(new RegExp(`^${message}(?!.*s3cret)`)),
      }),
    );
  });
});

describe("--service-ca", () => {
  it("is for a local service with https", () => {
    const file = fileWith(ca);
    expect(settingsOf(["https://box.lan", "--service-ca", file]).local?.serviceTls).toEqual({ ca });
    vi.stubEnv("MCP_TUNNEL_SERVICE_CA", file);
    expect(settingsOf(["3000"]).local).not.toHaveProperty("serviceTls");
    expect(() => settingsOf(["3000", "--service-ca", file])).toThrow(
      "--service-ca has no effect with http://localhost:3000, which has no TLS",
    );
    expect(() => settingsOf(["--stdio", "--service-ca", file, "--", "x"])).toThrow(
      "--service-ca has no effect with --stdio",
    );
  });
});

describe("a config file", () => {
  it("has the relay's certificates and fields, beside it or in the environment", () => {
    const folder = closing(createFolder());
    folder.write("ca.pem", ca);
    folder.write("fields", "X-A: file\n");
    vi.stubEnv("MCP_TUNNEL_RELAY_HEADER", "X-A: variable");
    const text = `defaults:
  relay: https://relay.test
  relay-ca: ca.pem
tunnels:
  one:
    local: 3000
    relay-header-file: fields
  two:
    local: https://box.lan
    service-ca: ca.pem
    relay-header: ["X-A: b", "X-C: d"]
  three:
    local: 3001
`;
    const { tunnels, problems } = readTunnelsFile(findConfigFile(folder.write("tunnels.yaml", text)));
    expect(problems).toEqual([]);
    const relayOf = (name: string): unknown => {
      const { relayTls, relayHeaders } = tunnels.get(name)?.settings.client ?? {};
      return [relayTls, relayHeaders];
    };
    expect(relayOf("one")).toEqual([{ ca }, { "X-A": "file" }]);
    expect(relayOf("two")).toEqual([{ ca }, { "X-A": "b", "X-C": "d" }]);
    expect(relayOf("three")).toEqual([{ ca }, { "X-A": "variable" }]);
    expect(tunnels.get("two")?.settings.local?.serviceTls).toEqual({ ca });
  });

  it("tells the line of a mistake in them, and no value", () => {
    const text = `tunnels:
  one:
    local: 3000
    relay: https://relay.test
    relay-ca: missing.pem
  two:
    local: 3000
    relay: https://relay.test
    relay-header: "Host: s3cret"
`;
    const { problems } = readTunnelsFile(findConfigFile(fileWith(text, "tunnels.yaml")));
    expect(problems).toEqual([
      { line: 5, message: expect.stringContaining("one: cannot read --relay-ca: ENOENT") },
      { line: 9, message: expect.stringContaining("the field 'Host' cannot be given") },
    ]);
    expect(JSON.stringify(problems)).not.toContain("s3cret");
  });
});
