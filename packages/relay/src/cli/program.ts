import { type Command, CommanderError } from "commander";
import { nearestName, TunnelError } from "mcp-tunnel-protocol";
import { mistakeLine, suggestion } from "mcp-tunnel-shared/command";
import { version } from "../version.js";
import { addAdminCommands } from "./commands/admin.js";
import { addCompletionCommand } from "./commands/completion.js";
import { addConfigCommands } from "./commands/config.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addHelpCommand } from "./commands/help.js";
import { createCommand } from "./options/options.js";
import { CommandFailure } from "./output/output.js";
import { addTokenCommands } from "./commands/token.js";

/** Exit statuses. A mistake in the options is 2, as with most programs. */
const failedStatus = 1;
const usageStatus = 2;

/** How the program ends when it cannot do what it was told. */
export interface Failure {
  status: number;
  /** One line, or several if they list the mistakes of a file; `undefined` when everything has been said. */
  message: string | undefined;
}

/** The whole command. It throws and does not exit. */
export function createProgram(): Command {
  const program = createCommand(version)
    .configureOutput({ outputError: () => {} })
    // Options that follow a subcommand's name belong to the subcommand.
    .enablePositionalOptions()
    // They are refused below, in better words.
    .allowExcessArguments();
  program.action(async () => {
    refuseStray(program);
    await (await import("./commands/serve.js")).serve(program);
  });
  addTokenCommands(program);
  addAdminCommands(program);
  addConfigCommands(program);
  addDoctorCommand(program);
  addCompletionCommand(program);
  addHelpCommand(program);
  pointToHelp(program, program.name());
  return program;
}

/** Adds to the message of a mistake the command whose help explains it. */
function pointToHelp(command: Command, path: string): void {
  command.exitOverride((error) => {
    // The options of a command that does not exist are unknown too.
    if (error.code === "commander.unknownOption" && command.parent === null) refuseStray(command);
    const isMistake = error.exitCode !== 0 && error.code !== "commander.help";
    if (isMistake) error.message = mistakeLine(error.message, path);
    throw error;
  });
  for (const part of command.commands) pointToHelp(part, `${path} ${part.name()}`);
}

/**
 * The relay takes options alone, and every command is known.
 * @throws CommanderError for any other word.
 */
function refuseStray(program: Command): void {
  const [word] = program.args;
  if (word === undefined || word.startsWith("-")) return;
  program.error(`error: ${strayWord(word, program.commands)}`, { code: "commander.unknownCommand" });
}

/** What is wrong with a word in the place of a command, and what was probably meant. */
function strayWord(word: string, commands: readonly Command[]): string {
  if (/^\d+$/.test(word)) return `unexpected argument '${word}': a port is given as --port ${word}`;
  if (/\.ya?ml$/.test(word))
    return `unexpected argument '${word}': a config file is given as --config ${word}`;
  const names = commands.map((command) => command.name());
  const near = nearestName(word.toLowerCase(), names);
  const isName = /^[a-z][a-z-]*$/i.test(word);
  if (near === undefined && !isName) return `unexpected argument '${word}'`;
  const list = near === undefined ? `; commands are ${names.join(", ")}` : suggestion(near);
  return `unknown command '${word}'${list}`;
}

/**
 * The failure that an error of the program means; `undefined` when nothing went wrong, as with `--help`.
 * @throws unknown `error` itself, when it is a bug.
 */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return undefined;
    // A command that only groups others has printed their help.
    if (error.code === "commander.help") return { status: usageStatus, message: undefined };
    return { status: usageStatus, message: error.message.replace(/^error: /, "") };
  }
  if (error instanceof TunnelError) return { status: usageStatus, message: error.message.trim() };
  if (error instanceof CommandFailure) return { status: failedStatus, message: error.message.trim() };
  throw error;
}
