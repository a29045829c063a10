import type { Command } from "commander";
import { environmentName, optionKey } from "mcp-tunnel-shared/command";

const option = "log-format";

/**
 * Whether the command line asks for a relay whose log is JSON, so that the reason for which it does not start
 * has to be JSON, too. It is also known when another mistake has ended the parsing before the option's turn.
 * A relay whose log is JSON only because nobody sees it (the default without a terminal) is not meant, nor
 * is any other command. `args`: the command line. `env`: the environment.
 */
export function asksForJson(
  program: Command,
  args: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
): boolean {
  // The first word is a command, or meant for one. A command may also follow options.
  const [first = "-"] = args;
  const [word] = program.args;
  if (!first.startsWith("-") || program.commands.some((command) => command.name() === word)) return false;
  const key = optionKey(option);
  if (program.getOptionValueSource(key) !== undefined) return program.getOptionValue(key) === "json";
  const given = args.flatMap((arg, i) => {
    if (arg === `--${option}`) return [args[i + 1]];
    return arg.startsWith(`--${option}=`) ? [arg.slice(`--${option}=`.length)] : [];
  });
  return (given.at(-1) ?? env[environmentName(option)]) === "json";
}
