import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import type { RunningCommand } from "../../../test/support/commands.js";
import { resolveOptions } from "../../stdio/src/options.js";
import { parseBytes } from "../../shared/src/index.js";
import { readCount, readDuration } from "../src/options/flags.js";
import { parseCommandLine } from "../src/options/command-line.js";

const closing = closingAfterEach();
const relay = ["--relay", "ws://127.0.0.1:9"];
const none = ["--visitor-auth", "none"];

function run(args: readonly string[], env?: NodeJS.ProcessEnv): RunningCommand {
  return closing(runClient(args, env));
}

function configFile(servers: object): string {
  const file = join(closing(createFolder()).path, "mcp.json");
  writeFileSync(file, JSON.stringify({ mcpServers: servers }));
  return file;
}

describe("the command of a server on stdio", () => {
  it("is all that stands behind the first --", () => {
    const { mcp, client, local } = parseCommandLine([
      ...["--stdio", ...none, ...relay, "--", "npx", "-y", "x", "--relay", "y", "--", "z"],
    ]).tunnel;
    expect(mcp?.servers).toEqual({
      form: "command",
      command: "npx",
      args: ["-y", "x", "--relay", "y", "--", "z"],
    });
    expect(client).not.toHaveProperty("hostHeader");
    expect(local).toBeUndefined();
  });

  it("has limits, which also come from the environment", () => {
    vi.stubEnv("MCP_TUNNEL_STDIO", "yes");
    vi.stubEnv("MCP_TUNNEL_VISITOR_AUTH", "none");
    vi.stubEnv("MCP_TUNNEL_STDIO_ERA", "legacy");
    vi.stubEnv("MCP_TUNNEL_STDIO_IDLE", "5m");
    try {
      const limits = ["--stdio-sessions", "3", "--stdio-start-timeout", "2m", "--stdio-max-message", "1MiB"];
      const { mcp } = parseCommandLine([...relay, ...limits, "--", "x"]).tunnel;
      expect(mcp).toMatchObject({
        servers: { command: "x", args: [] },
        limits: {
          era: "legacy",
          maxSessions: 3,
          sessionIdleMs: 300_000,
          startTimeoutMs: 120_000,
          maxMessageBytes: 1_048_576,
        },
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

it("servers of a file are chosen by name, and those behind HTTP are told of visitors as others are", () => {
  const file = ["--mcp-config", "mcp.json", "--server", "a", "--server", "b", "--host-header", "preserve"];
  expect(parseCommandLine([...file, ...none, ...relay]).tunnel.mcp).toMatchObject({
    servers: { form: "config", file: "mcp.json", names: ["a", "b"] },
    forwarding: { hostHeader: "preserve" },
    limits: {},
  });
});

it("the defaults in the help are those of the library", async () => {
  const help = run(["--help"]);
  await help.exited;
  const text = help.stdout.join(" ").replaceAll(/\s+/g, " ");
  const defaultOf = (name: string): string =>
    new RegExp(String.raw`${name} <.*?\(default: (\w+)\)`).exec(text)?.[1] ?? "";
  const { era, maxSessions, sessionIdleMs, startTimeoutMs, maxMessageBytes } = resolveOptions({
    command: "x",
  });
  expect(defaultOf("--stdio-era")).toBe(era);
  expect(readCount(defaultOf("--stdio-sessions"))).toBe(maxSessions);
  expect(readDuration(defaultOf("--stdio-idle"))).toBe(sessionIdleMs);
  expect(readDuration(defaultOf("--stdio-start-timeout"))).toBe(startTimeoutMs);
  expect(parseBytes(defaultOf("--stdio-max-message"))).toBe(maxMessageBytes);
});

describe("mistakes on the command line", () => {
  const stdio = ["--stdio", ...none, ...relay];
  const mistakes: [string[], RegExp, NodeJS.ProcessEnv?][] = [
    [
      relay,
      /missing required argument 'local': give a port, --stdio and a command after --, or --mcp-config/,
    ],
    [
      ["--stdio", ...relay, "npx", "-y", "x"],
      /--stdio takes the command .* after --, at the end: mcp-tunnel/,
    ],
    [stdio, /--stdio takes the command .* after --/],
    [[...stdio, "--"], /--stdio takes the command .* after --/],
    [["3000", ...stdio, "--", "x"], /<local> and --stdio exclude each other: give one of them/],
    [["3000", "--mcp-config", "x", ...relay], /<local> and --mcp-config exclude each other/],
    [
      ["3000", ...relay],
      /<local> and MCP_TUNNEL_STDIO and MCP_TUNNEL_MCP_CONFIG exclude each other/,
      { MCP_TUNNEL_STDIO: "1", MCP_TUNNEL_MCP_CONFIG: "x" },
    ],
    [[...stdio, "--mcp-config", "x", "--", "x"], /--stdio and --mcp-config exclude each other/],
    [[...relay, "--", "npx"], /a command after -- is for --stdio: add it/],
    [["3000", ...relay, "--server", "a"], /--server names a server in a file: add --mcp-config <file>/],
    [[...stdio, "--host-header", "x", "--", "x"], /--host-header has no effect with --stdio/],
    [["3000", ...relay, "--stdio-idle", "5m"], /--stdio-idle has no effect without --stdio or --mcp-config/],
    [[...stdio, "--stdio-era", "new", "--", "x"], /--stdio-era.*auto, legacy, modern/],
    [[...stdio, "--stdio-sessions", "0", "--", "x"], /--stdio-sessions.*a whole number from 1/],
    [[...stdio, "--stdio-max-message", "0", "--", "x"], /--stdio-max-message.*such as 64KiB.*at least 1\)/],
    [[...stdio, "--", "x"], /MCP_TUNNEL_STDIO_IDLE.*number with a unit/, { MCP_TUNNEL_STDIO_IDLE: "soon" }],
    [["3000", ...relay], /MCP_TUNNEL_STDIO must be true or false/, { MCP_TUNNEL_STDIO: "npx" }],
    [
      ["--mcp-config", "no-such-file", ...none, ...relay],
      /cannot read the MCP servers in no-such-file: ENOENT/,
    ],
  ];
  it.each(mistakes)("%j: one line, and status 2", async (args, message, env) => {
    const command = run(args, env);
    expect(await command.exited).toEqual({ code: 2, signal: null });
    expect(command.stderr.length, command.output).toBe(1);
    expect(command.stderr[0]).toMatch(/^error: /);
    expect(command.stderr[0]).toMatch(message);
    expect(command.stdout).toEqual([]);
  });

  it("are in one server of several, which can be left out", async () => {
    const file = configFile({
      ok: { command: process.execPath },
      wrong: { command: process.execPath, args: "z" },
    });
    const problem = `error: ${file}: the server 'wrong': args is a string; it must be an array of strings`;
    const all = run(["--mcp-config", file, ...none, ...relay]);
    expect(await all.exited).toEqual({ code: 2, signal: null });
    expect(all.stderr).toEqual([`${problem}. --server <name> serves only those that you name`]);
    const named = run(["--mcp-config", file, "--server", "wrong", ...none, ...relay]);
    expect(await named.exited).toEqual({ code: 2, signal: null });
    expect(named.stderr).toEqual([problem]);
  });

  it.each([
    [{ headers: { Authorization: "Bearer s3cret" } }, "'headers'"],
    [{ url: "https://me:s3cret@x.test/mcp" }, "a user or a password in its 'url'"],
    [{ url: "https://x.test/mcp?key=s3cret" }, "a query in its 'url'"],
  ])("are servers elsewhere that know the person: %j", async (entry, what) => {
    const file = configFile({
      ok: { command: process.execPath },
      api: { url: "https://x.test/mcp", ...entry },
    });
    const command = run(["--mcp-config", file, ...none, ...relay]);
    expect(await command.exited).toEqual({ code: 2, signal: null });
    expect(command.stderr).toEqual([
      `error: ${file}: the server 'api' has ${what}: without a proof of visitors everybody could use that ` +
        "server as you. Leave --visitor-auth at its default, or name the servers that everybody may use: " +
        "--server <name>",
    ]);
  });
});

describe("the bridge, the gate and OAuth", () => {
  /**
   * Writes the URL of each of their modules as it is loaded. What the options need of the gate is left out.
   */
  const watch = `import { register } from "node:module";
    register("data:text/javascript," + encodeURIComponent(\`
      import { writeSync } from "node:fs";
      export async function load(url, context, next) {
        if (/packages.stdio|modelcontextprotocol|packages.gate.dist.(?!option|paths|state.files|state.folder)|oidc-provider/.test(url)) writeSync(2, "LOADED " + url + "\\\\n");
        return next(url, context);
      }\`));`;
  const env = { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(watch)}"` };
  const loaded = ({ stderr }: RunningCommand): string[] => stderr.filter((line) => line.startsWith("LOADED"));

  it.each([[["--help"]], [["3000", ...relay, "--max-reconnect-time", "0"]]])(
    "are not loaded for %j",
    async (args) => {
      const command = run(args, env);
      await command.exited;
      expect(loaded(command)).toEqual([]);
    },
  );

  it("are loaded for what needs them", async () => {
    const giveUp = [...relay, "--max-reconnect-time", "0"];
    const bridge = run(["--stdio", ...none, ...giveUp, "--", "no-such"], env);
    await bridge.exited;
    expect(loaded(bridge).join("\n")).toContain("packages/stdio/dist/server.js");
    expect(loaded(bridge).join("\n")).not.toContain("packages/gate");
    const file = join(closing(createFolder()).path, "keys");
    writeFileSync(file, "0123456789abcdef");
    const gate = run(["3000", "--visitor-auth", "bearer", "--visitor-key-file", file, ...giveUp], env);
    await gate.exited;
    expect(loaded(gate).join("\n")).toContain("packages/gate/dist/gate.js");
    expect(loaded(gate).join("\n")).not.toMatch(/oidc-provider|packages.stdio/);
  });
});
