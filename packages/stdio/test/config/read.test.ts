import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join, sep } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { checkMcpConfig, readMcpConfig } from "../../src/config/read.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-config-"));
  vi.stubEnv("CONFIG_TOKEN", "t0ken");
  vi.stubEnv("CONFIG_EMPTY", "");
  vi.stubEnv("CONFIG_HOME", "/srv/ada");
  vi.stubEnv("CONFIG_UNSET", undefined);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

function write(text: string | object, name = "mcp.json"): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof text === "string" ? text : JSON.stringify(text));
  return file;
}

/** The entry of the only server. */
function entryOf(server: object): unknown {
  return readMcpConfig(write({ mcpServers: { one: server } }))[0];
}

function errorOf(run: () => unknown): TunnelError {
  try {
    run();
  } catch (error) {
    if (error instanceof TunnelError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("the files that hosts write", () => {
  it("are of Claude Desktop", () => {
    const file = write(
      {
        globalShortcut: "Ctrl+Space",
        mcpServers: {
          filesystem: {
            command: "npx",
            args: ["-y", "@modelcontextprotocol/server-filesystem", "/data"],
            env: { LOG: "1" },
          },
        },
        preferences: { theme: "dark" },
      },
      "claude_desktop_config.json",
    );
    expect(readMcpConfig(file)).toEqual([
      {
        kind: "command",
        name: "filesystem",
        command: "npx",
        args: ["-y", "@modelcontextprotocol/server-filesystem", "/data"],
        env: { LOG: "1" },
        cwd: folder,
      },
    ]);
  });

  it("are of Claude Code, whose own file has servers of projects beside", () => {
    const file = write(
      {
        numStartups: 3,
        mcpServers: {
          db: {
            type: "stdio",
            command: "${CONFIG_UNSET:-uvx}",
            args: ["db", "${CONFIG_TOKEN}", "${CONFIG_EMPTY:-empty}"],
            env: { CACHE: "${CONFIG_HOME}/x" },
          },
          api: { type: "http", url: "http://localhost:${CONFIG_UNSET:-3000}/mcp" },
        },
        projects: { "/src/app": { mcpServers: { other: { command: "x" } } } },
      },
      ".claude.json",
    );
    expect(readMcpConfig(file)).toEqual([
      {
        kind: "command",
        name: "db",
        command: "uvx",
        args: ["db", "t0ken", "empty"],
        env: { CACHE: "/srv/ada/x" },
        cwd: folder,
      },
      { kind: "url", name: "api", url: "http://localhost:3000/mcp", headers: {} },
    ]);
  });

  it("are of VS Code, with comments, trailing commas, a file of variables and a folder with a dot", () => {
    writeFileSync(join(folder, ".env"), "# of the project\nA=file\nB='two words'\n");
    const text = `\uFEFF{
      // the inputs are asked for
      "inputs": [{ "id": "key", "type": "promptString" }],
      "servers": {
        "play wright": {
          "command": "\${workspaceFolder}/bin/server",
          "args": ["\${userHome}", "\${workspaceFolderBasename}", "\${env:CONFIG_TOKEN}", "a\${/}b",],
          "envFile": "\${workspaceFolder}/.env", /* wins over nothing */
          "env": { "A": "env", "PORT": 3000, "GONE": null },
          "cwd": "sub",
          "dev": { "watch": "src/**" },
        },
        "needs": { "command": "x", "env": { "KEY": "\${input:key}" } },
      },
    }`;
    const file = write(text, ".vscode/mcp.json");
    expect(readMcpConfig(file, { servers: ["play wright"] })).toEqual([
      {
        kind: "command",
        name: "play wright",
        command: `${folder}/bin/server`,
        args: [homedir(), basename(folder), "t0ken", `a${sep}b`],
        env: { A: "env", B: "two words", PORT: "3000", GONE: undefined },
        cwd: join(folder, "sub"),
      },
    ]);
    expect(errorOf(() => readMcpConfig(file)).message).toBe(
      `${file}: the server 'needs': env.KEY uses \${input:key}, and VS Code would ask for the input 'key': ` +
        "put the value into the environment, and write ${env:NAME}",
    );
  });

  it("are of Cursor and others, with members of their own", () => {
    const file = write({
      mcpServers: {
        off: { command: "x", disabled: true, alwaysAllow: ["a"] },
        on: {
          url: "https://mcp.example.com/mcp",
          headers: { Authorization: "Bearer ${env:CONFIG_TOKEN}" },
          timeout: 60,
          autoApprove: [],
        },
        streamed: { type: "streamableHttp", url: "http://[::1]:3000/" },
      },
    });
    expect(readMcpConfig(file)).toEqual([
      {
        kind: "url",
        name: "on",
        url: "https://mcp.example.com/mcp",
        headers: { Authorization: "Bearer t0ken" },
      },
      { kind: "url", name: "streamed", url: "http://[::1]:3000/", headers: {} },
    ]);
    // Who names a server wants it.
    expect(readMcpConfig(file, { servers: ["off", "off"] })).toMatchObject([{ name: "off" }]);
  });
});

describe("what is put in for ${...}", () => {
  it("is not read again", () => {
    vi.stubEnv("CONFIG_TOKEN", "${HOME}");
    expect(entryOf({ command: "${CONFIG_TOKEN}" })).toMatchObject({ command: "${HOME}" });
  });

  it("leaves other dollars and braces alone", () => {
    const command = "$HOME {x} $ ${} ${process.env.HOME} ${a b} ${{}}";
    expect(entryOf({ command })).toMatchObject({ command });
  });
});

describe("mistakes", () => {
  const one = (server: unknown): object => ({ mcpServers: { one: server } });
  it.each<[string, string | object, RegExp]>([
    [
      "no JSON",
      '{ "mcpServers": {\n  "a": 1 "b": 2 } }',
      /is not JSON: comma expected at line 2, column 10$/,
    ],
    ["nothing", "", /is not JSON: value expected at line 1, column 1/],
    ["no servers", { command: "npx" }, /has no MCP servers: it has neither 'mcpServers' nor 'servers' at/],
    ["an array of servers", { servers: [] }, /servers must be an object, with a member for each server/],
    ["an array", [], /has neither 'mcpServers' nor 'servers'/],
    ["no server", { mcpServers: {} }, /has no MCP servers: it is empty/],
    ["none that is on", one({ command: "x", disabled: true }), /all are disabled: name those to serve/],
    ["an empty name", { mcpServers: { "": {} } }, /the server '' has an empty name/],
    ["a step as a name", { mcpServers: { "..": {} } }, /the server '\.\.' has a name that cannot be a part/],
    ["no Unicode", '{"servers":{"\\ud800":{}}}', /has a name that is not Unicode text/],
    ["a name twice", '{"servers":{"a":{"command":"x"},"a":{}}}', /the server 'a' is there twice/],
    ["no object", one("npx"), /server 'one': it is a string; it must be an object/],
    ["neither", one({ args: [] }), /'one': it has neither 'command' nor 'url'/],
    ["both", one({ command: "x", url: "http://x" }), /'one': it has both 'command' and 'url'/],
    ["no command", one({ command: "" }), /command must be the name or the path of a program/],
    ["a number as command", one({ command: 1 }), /command is a number; it must be a string/],
    ["args as a text", one({ command: "x", args: "-y" }), /args is a string; it must be an array of strings/],
    ["a number in args", one({ command: "x", args: ["a", 1] }), /args\.1 is a number; it must be a string/],
    ["another type", one({ type: "ws", url: "http://x" }), /type is 'ws'; it must be 'stdio' or 'http'/],
    ["SSE", one({ type: "sse", url: "http://x/sse" }), /type is 'sse', the transport of 2024-11-05/],
    ["http without url", one({ type: "http" }), /it has no 'url'/],
    [
      "a variable that is not set",
      one({ command: "${CONFIG_UNSET}" }),
      /command uses \${CONFIG_UNSET}, and the/,
    ],
    [
      "something else",
      one({ command: "x", args: ["${command:pick}"] }),
      /args\.0 uses \${command:pick}, which is/,
    ],
    ["no file of variables", one({ command: "x", envFile: "none" }), /envFile cannot be read: ENOENT/],
  ])("%s", (_what, text, message) => {
    const file = write(text);
    const error = errorOf(() => readMcpConfig(file));
    expect(error).toMatchObject({ code: "invalid_option", file });
    expect(error.message.startsWith(file)).toBe(true);
    expect(error.message).toMatch(message);
  });

  it("say which servers there are", () => {
    const file = write({ servers: { a: {}, b: {} } });
    const error = errorOf(() => readMcpConfig(file, { servers: ["c"] }));
    expect(error.message).toBe(`${file} has no server 'c'; it has 'a', 'b'`);
  });

  it("are no wrong entries that nobody asked for", () => {
    const file = write({ servers: { a: { command: "x" }, b: { command: 1 } } });
    expect(readMcpConfig(file, { servers: ["a"] })).toHaveLength(1);
  });

  it("say that a file cannot be read", () => {
    const file = join(folder, "none.json");
    const error = errorOf(() => readMcpConfig(file));
    expect(error).toMatchObject({ code: "unavailable", file });
    expect(error.message).toMatch(/^cannot read the MCP servers in .*none\.json: ENOENT/);
  });

  it.each([
    { command: "x", env: { KEY: true }, args: [] },
    { command: "x", env: { KEY: ["s3cret"] } },
    { command: "x", env: "KEY=s3cret" },
    { command: "x", env: ["s3cret"] },
    { url: "http://x", headers: "s3cret" },
    { url: "http://x", headers: { Authorization: ["s3cret"] } },
    { url: "s3cret" },
    { url: "ftp://user:s3cret@x" },
    { command: "x", env: { KEY: "s3cret ${CONFIG_UNSET}" } },
    { url: "http://x/?key=s3cret&x=${input:a}" },
  ])("do not show what may be secret: %j", (server) => {
    const error = errorOf(() => entryOf(server));
    expect(error.code).toBe("invalid_option");
    expect(error.message).toMatch(/env|headers|url/);
    expect(JSON.stringify(error) + error.message).not.toContain("s3cret");
  });
});

it("tells all that is wrong with the servers, and reads the others", () => {
  const env = { A: "${CONFIG_UNSET}", B: "${CONFIG_TOKEN}" };
  const servers = { good: { command: "x" }, unset: { command: "${CONFIG_UNSET}", env }, neither: {} };
  const file = write({ mcpServers: servers });
  const { entries, mistakes } = checkMcpConfig(file);
  expect(entries.map(({ name }) => name)).toEqual(["good"]);
  expect(mistakes.map(({ message }) => message.replace(file, "file"))).toEqual([
    expect.stringMatching(/^file: the server 'unset': command uses \$\{CONFIG_UNSET\}/),
    expect.stringMatching(/^file: the server 'unset': env\.A uses \$\{CONFIG_UNSET\}/),
    expect.stringMatching(/^file: the server 'neither': it has neither 'command' nor 'url'/),
  ]);
  expect(checkMcpConfig(file, { servers: ["good"] }).mistakes).toEqual([]);
});
