import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { commands, runClient, RunningCommand } from "../../../test/support/commands.js";

const closing = closingAfterEach();

it("config check tells the mistakes in a file and in those that it names, and all is well without", async () => {
  const folder = closing(createFolder());
  folder.write("keys", "short\n");
  const file = folder.write(
    "tunnels.yaml",
    "tunnels:\n  web: {relay: x, local: 3000, visitor-auth: bearer, visitor-key-file: keys}\n  api: {relay: x, lokal: 1}\n",
  );
  const bad = closing(runClient(["config", "check", file]));
  expect(await bad.exited).toEqual({ code: 1, signal: null });
  expect(bad.stderr).toEqual([
    "error: the config file has mistakes",
    expect.stringMatching(
      /:2: web: line 1 of --visitor-key-file .*: a key has at least 16 visible characters/,
    ),
    `${file}:3: unknown key 'tunnels.api.lokal'; did you mean 'local'?`,
  ]);
  folder.write(
    "mcp-tunnel-client.yaml",
    "tunnels:\n  web: {relay: x, local: 3000}\n  api: {relay: x, local: 1}\n",
  );
  const good = closing(
    new RunningCommand(process.execPath, [commands.client, "config", "check"], { cwd: folder.path }),
  );
  expect(await good.exited).toEqual({ code: 0, signal: null });
  expect(good.stdout).toEqual(["mcp-tunnel-client.yaml: ok (web, api)"]);
});

it("the example of docs/config.md is without mistakes", async () => {
  const text = readFileSync(new URL("../../../docs/config.md", import.meta.url), "utf8");
  const [, yaml = ""] = /```yaml\n([^]*?)```/.exec(text) ?? [];
  const home = closing(createFolder());
  const claude = join("Library", "Application Support", "Claude");
  for (const folder of [join(".config", "mcp-tunnel"), claude]) {
    mkdirSync(join(home.path, folder), { recursive: true });
  }
  home.write(join(".config", "mcp-tunnel", "token"), "s3cret");
  home.write(join(".config", "mcp-tunnel", "keys.txt"), "abcdefghijklmnop");
  const servers = { github: { command: process.execPath }, files: { command: process.execPath } };
  home.write(join(claude, "claude_desktop_config.json"), JSON.stringify({ mcpServers: servers }));
  home.write(join(".config", "mcp-tunnel", "mcp-tunnel-client.yaml"), yaml);
  // Windows has the home folder, and the one of settings, by other variables.
  const env = {
    HOME: home.path,
    USERPROFILE: home.path,
    XDG_CONFIG_HOME: "",
    APPDATA: join(home.path, ".config"),
  };
  const command = closing(
    new RunningCommand(process.execPath, [commands.client, "config", "check"], { env, cwd: home.path }),
  );
  expect(await command.exited, command.output).toEqual({ code: 0, signal: null });
  expect(command.output).toContain("ok (web, tools, desktop)");
});

it.each([
  [["config"], 0, /Usage: mcp-tunnel-client config/],
  [["config", "check", "no-such-file"], 2, /^error: cannot read the config file: ENOENT/],
  [["config", "chekc"], 2, /unknown command 'chekc'.*\(see mcp-tunnel-client config --help\)/],
  [["config", "check", "a", "b"], 2, /too many arguments.*\(see mcp-tunnel-client config check --help\)/],
])("%j", async (args, code, said) => {
  const command = closing(runClient(args));
  expect(await command.exited).toEqual({ code, signal: null });
  expect(command.output).toMatch(said);
});

it("doctor examines a tunnel of the file by its name, and takes no options of a tunnel beside it", async () => {
  const folder = closing(createFolder());
  // Nobody may listen at this port, so the examination ends soon.
  const file = folder.write("tunnels.yaml", "tunnels:\n  web: {relay: 'http://127.0.0.1:1', local: 3000}\n");
  const cases: [string[], number, RegExp][] = [
    [["web", "--json"], 1, /"verdict":"failed"/],
    [["other"], 2, /has no tunnel 'other'; it has web/],
    [["web", "--origin", "drop"], 2, /unknown option '--origin'/],
  ];
  const runs = cases.map(([args]) =>
    closing(runClient(["doctor", ...args, "--config", file, "--idle", "0"])),
  );
  const ends = await Promise.all(runs.map((run) => run.exited));
  expect(ends.map(({ code }) => code)).toEqual(cases.map(([, code]) => code));
  for (const [i, [, , says]] of cases.entries()) expect(runs[i]?.output).toMatch(says);
  expect(runs[0]?.output).toContain("connect");
});
