import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import { parseCommandLine } from "../src/options/command-line.js";
import type { VisitorOptions } from "../src/options/visitor-options.js";

const closing = closingAfterEach();
const relay = ["--relay", "ws://127.0.0.1:9"];
const key = "0123456789abcdef";
afterEach(() => vi.unstubAllEnvs());

function fileWith(text: string): string {
  const file = join(closing(createFolder()).path, "secrets");
  writeFileSync(file, text);
  return file;
}

function visitorsOf(args: readonly string[]): VisitorOptions | undefined {
  return parseCommandLine([...relay, ...args]).tunnel.visitors;
}

describe("who may visit by default", () => {
  it("is everybody for a port, which nobody has asked for", () => {
    expect(parseCommandLine([...relay, "3000"]).tunnel).toMatchObject({
      visitors: undefined,
      isOpenByDefault: true,
    });
    expect(parseCommandLine([...relay, "3000", "--visitor-auth", "none"]).tunnel).toMatchObject({
      visitors: undefined,
      isOpenByDefault: false,
    });
  });

  it.each([
    ["--stdio", ["--stdio", "--", "x"]],
    ["--mcp-config", ["--mcp-config", "x"]],
  ])("is whoever signs in or has a key for %s", (_, args) => {
    expect(visitorsOf(args)).toEqual({
      kinds: ["bearer", "oauth"],
      keys: [],
      users: [],
      allowAddresses: [],
      login: undefined,
      issParameter: true,
    });
  });
});

describe("who may visit", () => {
  it.each([
    ["bearer", ["bearer"]],
    ["oauth, BEARER", ["bearer", "oauth"]],
    ["oauth,oauth", ["oauth"]],
  ])("%s: %j", (given, kinds) => {
    expect(visitorsOf(["3000", "--visitor-auth", given])?.kinds).toEqual(kinds);
  });

  it("is given by keys, each with a name of its own", () => {
    const keys = ["--visitor-key", key, "--visitor-key", `ci:${key}:1`, "--visitor-key", `${key}2`];
    expect(visitorsOf(["3000", "--visitor-auth", "bearer", ...keys])?.keys).toEqual([
      { name: "default", key },
      { name: "ci", key: `${key}:1` },
      { name: "default-2", key: `${key}2` },
    ]);
  });

  it("is given by files, with comments, and the command line wins over the environment", () => {
    vi.stubEnv("MCP_TUNNEL_VISITOR_KEY", "of the environment");
    const keys = ["--visitor-key-file", fileWith(`# keys\r\n\r\nci:${key}\r\n`)];
    const users = ["--visitor-user-file", fileWith("ann: pass:word\n# none\nbob:#1\n")];
    expect(visitorsOf(["3000", "--visitor-auth", "bearer,basic", ...keys, ...users])).toMatchObject({
      keys: [{ name: "ci", key }],
      users: [
        { name: "ann", password: " pass:word" },
        { name: "bob", password: "#1" },
      ],
    });
  });

  it("is decided by addresses, with a proof or without", () => {
    const ips = ["--allow-ip", "192.0.2.0/24, 2001:db8::/32", "--allow-ip", "198.51.100.1"];
    const allowAddresses = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.1"];
    expect(visitorsOf(["3000", ...ips])).toMatchObject({ kinds: [], allowAddresses });
    expect(visitorsOf(["--stdio", ...ips, "--", "x"])).toMatchObject({
      kinds: ["bearer", "oauth"],
      allowAddresses,
    });
  });

  it("is said by an OpenID provider", () => {
    vi.stubEnv("MCP_TUNNEL_OIDC_ISSUER", "https://login.test");
    vi.stubEnv("MCP_TUNNEL_VISITOR_AUTH_ISS", "off");
    const file = fileWith("s3cret\n");
    const login = [
      "--oidc-client-id",
      "me",
      "--oidc-client-secret-file",
      file,
      "--allow-email",
      "a@x.test,@y.test",
    ];
    expect(visitorsOf(["3000", "--visitor-auth", "oauth", ...login])).toMatchObject({
      login: {
        issuer: "https://login.test",
        clientId: "me",
        clientSecret: "s3cret",
        allowEmails: ["a@x.test", "@y.test"],
      },
      issParameter: false,
    });
  });
});

describe("mistakes about visitors", () => {
  const mistakes: [string[], RegExp, NodeJS.ProcessEnv?][] = [
    [["--visitor-auth", "password"], /--visitor-auth.*It takes some of bearer, basic, oauth, or none/],
    [["--visitor-auth", "none,bearer"], /--visitor-auth.*'none' stands alone/],
    [["--visitor-auth", ""], /--visitor-auth.*It takes some of/],
    [["--visitor-auth", "basic"], /basic lets nobody in: add --visitor-user-file/],
    [
      ["--visitor-auth", "basic", "--visitor-user", "s3cret"],
      /--visitor-user, number 1 is not NAME:PASSWORD/,
    ],
    [
      ["--visitor-auth", "bearer", "--visitor-key", key, "--visitor-key", "s3cret"],
      /--visitor-key, number 2: a key has at least 16 visible characters of ASCII, without spaces/,
    ],
    [["--visitor-key", "s3cret"], /--visitor-key has no effect without --visitor-auth bearer/],
    [["--visitor-auth", "bearer", "--visitor-user", "a:b"], /--visitor-user has no effect without .* basic/],
    [["--visitor-auth", "none", "--visitor-key", "s3cret"], /--visitor-key has no effect without/],
    [
      ["--visitor-auth", "bearer", "--visitor-auth-iss", "off"],
      /--visitor-auth-iss has no effect without .* oauth/,
    ],
    [["--visitor-auth", "bearer", "--visitor-key-file", "no-such-file"], /--visitor-key-file: ENOENT/],
    [
      ["--visitor-auth", "bearer", "--visitor-key-file", "a", "--visitor-key", "b"],
      /--visitor-key and --visitor-key-file exclude each other/,
    ],
    [["--visitor-auth", "bearer", "--visitor-key", "#s3cret"], /--visitor-key or its file holds nothing/],
    [
      ["--visitor-auth", "oauth", "--allow-email", "a@x.test"],
      /--allow-email has no effect without --oidc-issuer/,
    ],
    [
      ["--visitor-auth", "oauth", "--oidc-issuer", "https://x.test", "--allow-email", "a@x.test"],
      /--oidc-issuer needs --oidc-client-id/,
    ],
    [
      ["--visitor-auth", "oauth", "--oidc-issuer", "https://x.test", "--oidc-client-id", "x"],
      /--oidc-issuer lets nobody in: say whom, by --allow-email/,
    ],
    // Who sets a key in the environment believes that the service is guarded.
    [
      [],
      /MCP_TUNNEL_VISITOR_KEY has no effect without --visitor-auth bearer/,
      { MCP_TUNNEL_VISITOR_KEY: "s3cret" },
    ],
  ];
  it.each(mistakes)("%j: one line without the secret, and status 2", async (args, message, env) => {
    const command = closing(runClient(["3000", ...relay, ...args], env));
    expect(await command.exited).toEqual({ code: 2, signal: null });
    expect(command.stderr.length, command.output).toBe(1);
    expect(command.stderr[0]).toMatch(/^error: /);
    expect(command.stderr[0]).toMatch(message);
    expect(command.output).not.toContain("s3cret");
  });
});

it.each([
  ["a key", "visitor-key", `# keys\n\nci:${key}\nann:s3cret s3cret s3cret\n`, /: a key has at least 16/],
  ["a user", "visitor-user", "# users\n\nann:1\ns3cret\n", / is not NAME:PASSWORD/],
])("a line of a file that is not %s is named by its number", (_, option, text, message) => {
  const file = fileWith(text);
  const kind = option === "visitor-key" ? "bearer" : "basic";
  const args = ["3000", "--visitor-auth", kind, `--${option}-file`, file];
  expect(() => visitorsOf(args)).toThrow(`line 4 of --${option}-file ${file}`);
  expect(() => visitorsOf(args)).toThrow(message);
  expect(() => visitorsOf(args)).toThrow(expect.not.stringContaining("s3cret"));
});

it("a variable for several clients has no effect where --visitor-auth says so", () => {
  vi.stubEnv("MCP_TUNNEL_VISITOR_KEY", key);
  expect(visitorsOf(["3000", "--visitor-auth", "none"])).toBeUndefined();
});
