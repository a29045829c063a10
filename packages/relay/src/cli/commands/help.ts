import type { Command } from "commander";
import { nearestName } from "mcp-tunnel-protocol";
import { suggestion } from "mcp-tunnel-shared/command";

/** `mcp-tunnel help`: prints what `--help` prints after the same words. commander's own takes one word. */
export function addHelpCommand(program: Command): void {
  program
    .helpCommand(false)
    .command("help")
    .description("print the help of a command")
    .argument("[COMMAND...]")
    .action((words: readonly string[]) => {
      let found = program;
      for (const word of words) {
        const next = found.commands.find((one) => one.name() === word);
        if (next === undefined) {
          const near = nearestName(
            word,
            found.commands.map((one) => one.name()),
          );
          return found.error(`error: unknown command '${word}'${suggestion(near)}`);
        }
        found = next;
      }
      found.help();
    });
}
