import { Argument } from "commander";
import type { Command } from "commander";
import { completionScript, completionShells } from "mcp-tunnel-shared/command";
import { exitStatus } from "../options/exit-status.js";
import { buildServeCommand } from "../options/command-line.js";
import { subcommand } from "../options/subcommand.js";
import type { CommandOutput } from "../output/output.js";
import type { CliCommand, CommandTable } from "./command.js";

const description = `Prints the script by which a shell completes commands and options.

  bash  source <(mcp-tunnel-client completion bash)
  zsh   source <(mcp-tunnel-client completion zsh), after compinit
  fish  mcp-tunnel-client completion fish | source

Put the line into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish. There is no script for PowerShell.`;

/** `mcp-tunnel-client completion`. */
export const completion: CliCommand = {
  build: buildCompletion,
  async run(args, output, all) {
    const command = buildCompletion();
    command.parse(args, { from: "user" });
    const [shell] = command.processedArgs as [(typeof completionShells)[number]];
    const script = completionScript(shell, await buildAll(output, all));
    for (const line of script.trimEnd().split("\n")) output.out(line);
    return exitStatus.ended;
  },
};

function buildCompletion(): Command {
  return subcommand("completion", description).addArgument(
    new Argument("<shell>", "the shell").choices(completionShells),
  );
}

/** The command that serves, with all others below it. */
async function buildAll(output: CommandOutput, all: CommandTable): Promise<Command> {
  const program = buildServeCommand(all).helpCommand(false);
  for (const [name, entry] of Object.entries(all)) {
    const command = (await entry.load()).build(output, all).name(name).description(entry.summary);
    program.addCommand(command, { hidden: entry.summary === "" });
  }
  return program;
}
