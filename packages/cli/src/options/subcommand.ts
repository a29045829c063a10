import { Command } from "commander";
import { printable } from "mcp-tunnel-shared";
import { mistakeLine, optionDescription } from "mcp-tunnel-shared/command";

/** A command by its first word, such as `auth`. Its mistakes are one line each, and are thrown. */
export function subcommand(word: string, description: string): Command {
  const name = `mcp-tunnel-client ${word}`;
  const command = new Command(name)
    .description(description)
    .helpCommand(false)
    .configureHelp({ optionDescription })
    .exitOverride();
  return pointToHelp(command, name);
}

/** A command below another one, such as `auth show`. `usage`: its name and its arguments. */
export function partOf(command: Command, usage: string, description: string): Command {
  const part = command.command(usage).description(description);
  return pointToHelp(part, `${command.name()} ${part.name()}`);
}

/** Mistakes say whose help explains them. */
function pointToHelp(command: Command, path: string): Command {
  return command.helpOption("-h, --help", "print this help").configureOutput({
    outputError: (text, write) => write(`${printable(mistakeLine(text, path))}\n`),
  });
}
