import { CommanderError } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { printable, printableLines } from "mcp-tunnel-shared";
import { dropEmptyVariables, endWithReader, letHeapGrow } from "mcp-tunnel-shared/command";
import { exitStatus, statusOf } from "./options/exit-status.js";
import type { CommandOutput } from "./output/output.js";
import { TerminalOutput } from "./output/terminal-output.js";

letHeapGrow();
dropEmptyVariables();

const output = new TerminalOutput();

// Help and questions are not written by `output`, which looks after itself.
endWithReader();

/** Runs a command, and returns the exit status. */
type RunCommand = (args: readonly string[], output: CommandOutput) => Promise<number>;

/** The commands by their first word, which is never a service. Each is loaded when it is asked for. */
const commands: Readonly<Record<string, () => Promise<RunCommand>>> = {
  auth: async () => (await import("./commands/auth.js")).authCommand,
  config: async () => (await import("./commands/config.js")).configCommand,
  start: async () => (await import("./commands/start.js")).startCommand,
  login: async () => (await import("./commands/login.js")).loginCommand,
  logout: async () => (await import("./commands/logout.js")).logoutCommand,
  whoami: async () => (await import("./commands/whoami.js")).whoamiCommand,
};

const serve = async (): Promise<RunCommand> => (await import("./commands/serve.js")).serveCommand;

async function main(args: readonly string[]): Promise<number> {
  const [word = "", ...rest] = args;
  const load = Object.hasOwn(commands, word) ? commands[word] : undefined;
  try {
    return load === undefined ? await (await serve())(args, output) : await (await load())(rest, output);
  } catch (error) {
    return usageStatus(error);
  }
}

/** The exit status for a mistake. commander has printed its own mistakes, and help and version. */
function usageStatus(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ended : exitStatus.usage;
  if (!(error instanceof TunnelError)) throw error;
  // The mistakes in a file are in lines.
  output.err(`error: ${(error.file === undefined ? printable : printableLines)(error.message)}`);
  return statusOf(error);
}

// There is no await at the top of the module, because a bundle of one file is CommonJS, which does not allow
// it.
void main(process.argv.slice(2)).then((status) => output.exit(status));
