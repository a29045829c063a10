import { Argument } from "commander";
import type { Command } from "commander";
import { completionScript, completionShells } from "mcp-tunnel-shared/command";

/** `mcp-tunnel completion`. */
export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .description("print the script by which a shell completes commands and options")
    .addArgument(new Argument("<SHELL>").choices(completionShells))
    .action((shell: (typeof completionShells)[number]) => {
      process.stdout.write(completionScript(shell, program));
    });
}
