import { type Command, CommanderError } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { oneLine } from "mcp-tunnel-shared";
import { version } from "../version.js";
import { addAdminCommands } from "./commands/admin.js";
import { addCompletionCommand } from "./commands/completion.js";
import { addConfigCommands } from "./commands/config.js";
import { addDoctorCommand } from "./commands/doctor.js";
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
    // `serve` refuses them, in better words.
    .allowExcessArguments();
  program.action(async () => (await import("./commands/serve.js")).serve(program));
  addTokenCommands(program);
  addAdminCommands(program);
  addConfigCommands(program);
  addDoctorCommand(program);
  addCompletionCommand(program);
  pointToHelp(program, program.name());
  return program;
}

/** Adds to the message of a mistake the command whose help explains it. */
function pointToHelp(command: Command, path: string): void {
  command.exitOverride((error) => {
    const isMistake = error.exitCode !== 0 && error.code !== "commander.help";
    if (isMistake) error.message += ` (see ${path} --help)`;
    throw error;
  });
  for (const part of command.commands) pointToHelp(part, `${path} ${part.name()}`);
}

/**
 * The failure that an error of the program means; `undefined` when nothing went wrong, as with `--help`.
 * @throws unknown `error` itself, when it is a bug.
 */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof CommanderError) {
    // A command that only groups others has printed their help.
    if (error.code === "commander.help") return { status: usageStatus, message: undefined };
    if (error.exitCode === 0) return undefined;
    return { status: usageStatus, message: oneLine(error.message.replace(/^error: /, "")) };
  }
  if (error instanceof TunnelError) return { status: usageStatus, message: error.message.trim() };
  if (error instanceof CommandFailure) return { status: failedStatus, message: error.message.trim() };
  throw error;
}
