import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { cleanEnvironment, commands } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";

// The scripts of `completion` in the shells for which they are.

const closing = closingAfterEach();
const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "mcp-tunnel-completion-"));
  await writeFile(join(folder, "token.txt"), "");
});
afterAll(() => rm(folder, { recursive: true }));

/** The file with the script that the command prints. */
async function scriptOf(command: "client" | "relay", shell: string): Promise<string> {
  const { stdout } = await run(process.execPath, [commands[command], "completion", shell], {
    env: cleanEnvironment(),
  });
  const file = join(folder, `${command}.${shell}`);
  await writeFile(file, stdout);
  return file;
}

/** What is typed after the command's name, and what is offered then. */
const rows: [typed: string, offered: string[]][] = [
  ["--max-re", ["--max-response-head", "--max-reconnect-time"]],
  ["--origin ", ["keep", "rewrite", "drop"]],
  ["comp", ["completion"]],
  ["auth ", ["show", "list", "revoke", "rotate"]],
  ["auth rotate --", ["--relay", "--json", "--key", "--passcode", "--help"]],
  ["auth rotate --relay x --k", ["--key"]],
  ["completion ", ["bash", "zsh", "fish"]],
  ["3000 --token-file tok", ["token.txt"]],
  ["3000 --relay ", []],
  ["3000 --relay auth ", []],
  ["--stdio -- tok", ["token.txt"]],
];

describe.skipIf(missingProgram("bash"))("bash", () => {
  it("completes commands, options and their values", async () => {
    const script = await scriptOf("client", "bash");
    const text = `source "$0"; complete -p mcp-tunnel-client; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      _mcp_tunnel_client; printf '%s\\n' "\${COMPREPLY[@]}"`;
    for (const [typed, offered] of rows) {
      const words = ["mcp-tunnel-client", ...typed.split(" ")];
      const { stdout } = await run("bash", ["-c", text, script, ...words], { cwd: folder });
      const [registered, ...lines] = stdout.trim().split("\n");
      expect(registered).toBe("complete -F _mcp_tunnel_client mcp-tunnel-client");
      expect(lines.filter((line) => line !== "").sort(), typed).toEqual(offered.toSorted());
    }
  });

  it("completes the relay's command", async () => {
    const script = await scriptOf("relay", "bash");
    const text = `source "$0"; COMP_WORDS=(mcp-tunnel token ""); COMP_CWORD=2; _mcp_tunnel; echo "\${COMPREPLY[@]}"`;
    const { stdout } = await run("bash", ["-c", text, script]);
    expect(stdout).toMatch(/^create list edit rotate revoke/);
  });
});

describe.skipIf(missingProgram("fish"))("fish", () => {
  it("completes commands, options and their values", async () => {
    const script = await scriptOf("client", "fish");
    for (const [typed, offered] of rows) {
      const text = `source ${script}; complete -C 'mcp-tunnel-client ${typed}'`;
      const { stdout } = await run("fish", ["--no-config", "-c", text], { cwd: folder });
      const words = stdout.split("\n").map((line) => line.split("\t")[0] as string);
      expect(words.filter((word) => word !== "").sort(), typed).toEqual(offered.toSorted());
    }
  });

  it("says what an option is for", async () => {
    const script = await scriptOf("client", "fish");
    const text = `source ${script}; complete -C 'mcp-tunnel-client --token-'`;
    const { stdout } = await run("fish", ["--no-config", "-c", text]);
    expect(stdout).toBe("--token-file\tread the token from a file, so that it is not in the process list\n");
  });
});

describe.skipIf(missingProgram("zsh") || missingProgram("script"))("zsh", () => {
  // zsh reads all of its completions at its first start.
  it("completes commands, options and their values", { timeout: 60_000 }, async () => {
    const script = await scriptOf("client", "zsh");
    // Only a line that is edited is completed, so it takes a terminal.
    const shell = spawn("script", ["--quiet", "--return", "--command", "zsh -f -i", "/dev/null"], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...cleanEnvironment(), TERM: "xterm", HOME: folder, ZDOTDIR: folder },
      cwd: folder,
    });
    const ended = once(shell, "close");
    closing({
      async close() {
        shell.kill();
        await ended;
      },
    });
    let screen = "";
    shell.stdout.on("data", (chunk: Buffer) => {
      screen += stripVTControlCharacters(chunk.toString());
    });
    /** Waits until all words are on the screen, which is forgotten then. */
    const see = async (words: readonly string[]): Promise<void> => {
      while (!words.every((word) => screen.includes(word))) await once(shell.stdout, "data");
      screen = "";
    };
    // The words are told apart from their echo. Before its prompt zsh does not edit the line: the terminal
    // would take Ctrl-D for itself.
    shell.stdin.write(
      `stty cols 200; autoload -U compinit; compinit -u -D; source ${script}; PS1='rea''dy> '; echo lo''aded\n`,
    );
    await see(["loaded", "ready> "]);
    for (const [typed, offered] of rows) {
      if (offered.length === 0) continue;
      // Tab puts a single word into the line. Ctrl-D lists several, and Ctrl-U takes the line away.
      shell.stdin.write(`mcp-tunnel-client ${typed}${offered.length === 1 ? "\t" : "\u0004"}`);
      await see(offered);
      shell.stdin.write("\u0015");
    }
  });
});
