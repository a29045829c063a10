import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { commands, noConfig } from "./commands.js";

/** A command at a terminal, as a person uses it. */
export interface TerminalCommand {
  /** Waits until this text is on the screen, after the text for which the test waited before. */
  see(text: string): Promise<void>;
  /** The same for a pattern. Returns what matched. */
  seeMatch(pattern: RegExp): Promise<string>;
  /** Keys, as a terminal sends them. */
  type(keys: string): void;
  /** Sends a signal to the command itself. Linux only. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the command has ended. */
  readonly exited: Promise<unknown>;
  close(): Promise<void>;
}

/** Runs a command at a pseudoterminal. Needs the program `script` (Debian: bsdutils, always installed). */
export function runAtTerminal(
  command: keyof typeof commands,
  args: readonly string[],
  columns = 100,
  env: NodeJS.ProcessEnv = {},
): TerminalCommand {
  const words = [process.execPath, commands[command], ...args].map((word) => `'${word}'`);
  // `stty` sets the size: a terminal that `script` makes for a pipe has none.
  const line = `stty rows 24 cols ${columns}; exec ${words.join(" ")}`;
  const child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, TERM: "xterm", NO_COLOR: "1", XDG_CONFIG_HOME: noConfig, ...env },
  });
  const exited = once(child, "close");
  let screen = "";
  let ended = false;
  child.stdout.on("data", (chunk: Buffer) => {
    screen += stripVTControlCharacters(chunk.toString());
  });
  child.on("close", () => {
    ended = true;
  });
  /** `what` is waited for, and found on the screen by `find`. */
  async function wait(what: string, find: () => { at: number; text: string } | undefined): Promise<string> {
    for (;;) {
      const found = find();
      if (found !== undefined) {
        screen = screen.slice(found.at + found.text.length);
        return found.text;
      }
      if (ended) throw new Error(`the command ended without ${what}; it said:\n${screen}`);
      await Promise.race([once(child.stdout, "data"), exited]);
    }
  }
  return {
    async see(text) {
      await wait(`"${text}"`, () => (screen.includes(text) ? { at: screen.indexOf(text), text } : undefined));
    },
    seeMatch(pattern) {
      return wait(String(pattern), () => {
        const match = pattern.exec(screen);
        return match === null ? undefined : { at: match.index, text: match[0] };
      });
    },
    type(keys) {
      child.stdin.write(keys);
    },
    kill(signal) {
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
      process.kill(Number(children), signal);
    },
    exited,
    async close() {
      // The end of the terminal ends the command, by SIGHUP.
      if (!ended) child.kill();
      await exited;
    },
  };
}
