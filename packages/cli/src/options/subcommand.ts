import { Command } from "commander";
import { oneLine, printable } from "mcp-tunnel-shared";
import { optionDescription } from "mcp-tunnel-shared/command";

/** A command by its first word, such as `auth`. Its mistakes are one line each, and are thrown. */
export function subcommand(word: string, description: string): Command {
  const name = `mcp-tunnel-client ${word}`;
  return new Command(name)
    .description(description)
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .configureHelp({ optionDescription })
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(`${printable(oneLine(text))} (see ${name} --help)\n`),
    });
}
