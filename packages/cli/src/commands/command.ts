import type { Command } from "commander";
import type { CommandOutput } from "../output/output.js";

/** A command of mcp-tunnel-client. */
export interface CliCommand {
  /**
   * Runs it, and returns the exit status. `args`: those after its name. `all`: the table that it is in.
   * @throws CommanderError for help and for mistakes that commander has printed; TunnelError.
   */
  run(args: readonly string[], output: CommandOutput, all: CommandTable): Promise<number>;
  /** Its options and subcommands, for shells that complete them. */
  build(output: CommandOutput, all: CommandTable): Command;
}

/** The commands by their first word, which is never a service. */
export type CommandTable = Readonly<Record<string, CommandEntry>>;

export interface CommandEntry {
  /** What it does, for the help. Empty: the help does not list it. */
  readonly summary: string;
  /** Loads it, when it is asked for. */
  load(): Promise<CliCommand>;
}
