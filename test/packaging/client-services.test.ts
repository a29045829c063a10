import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, RunningCommand } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";

/** The client as a service: the examples have no mistake, and their commands are commands of ours. */
const closing = closingAfterEach();

const example = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../examples/${name}`, import.meta.url)), "utf8");

/** What `start` says of the arguments of a service, with a config file that has a mistake. */
async function saidTo(args: readonly string[]): Promise<string[]> {
  const config = closing(createFolder()).write("mcp-tunnel-client.yaml", "tunnels:\n");
  const own = args.map((arg) => (arg.endsWith("mcp-tunnel-client.yaml") ? config : arg));
  const client = closing(new RunningCommand(process.execPath, [commands.client, ...own]));
  expect(await client.exited).toEqual({ code: 2, signal: null });
  return client.stderr.map((line) => line.replace(config, "FILE"));
}

const noTunnel = ["error: the config file has mistakes", "FILE:1: there is no tunnel below 'tunnels'"];

it.skipIf(missingProgram("systemd-analyze"))("the unit of systemd has no mistake that systemd knows", () => {
  const folder = closing(createFolder());
  // systemd checks that the command exists.
  const text = example("systemd-user/mcp-tunnel-client.service").replace(
    "%h/.local/bin/mcp-tunnel-client",
    `${process.execPath} ${commands.client}`,
  );
  folder.write("mcp-tunnel-client.service", text);
  const unit = join(folder.path, "mcp-tunnel-client.service");
  const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--user", "--man=no", unit], {
    encoding: "utf8",
    env: { ...process.env, XDG_RUNTIME_DIR: folder.path },
  });
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
});

it("the unit of systemd starts the tunnels of the config file", async () => {
  const [, line = ""] = /^ExecStart=\S+ (.*)$/m.exec(example("systemd-user/mcp-tunnel-client.service")) ?? [];
  expect(await saidTo(line.split(" "))).toEqual(noTunnel);
});

it.skipIf(missingProgram("python3"))("the agent of launchd is a property list, and starts them", async () => {
  const script = "import plistlib, json, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
  const input = example("launchd/mcp-tunnel-client.plist");
  const agent = JSON.parse(execFileSync("python3", ["-c", script], { input, encoding: "utf8" })) as {
    ProgramArguments: string[];
  };
  expect(agent).toMatchObject({ Label: "mcp-tunnel-client", KeepAlive: { Crashed: true }, RunAtLoad: true });
  expect(await saidTo(agent.ProgramArguments.slice(1))).toEqual(noTunnel);
});
