import { type Command, Option } from "commander";
import { optionKey } from "mcp-tunnel-shared/command";

/**
 * `--config` of a command that manages a relay: the relay's own file says what is not given. The environment
 * may name it, too.
 */
export function configOption(): Option {
  return namedConfigOption().env("MCP_TUNNEL_CONFIG");
}

/** The same for the command line alone. */
export function namedConfigOption(): Option {
  return new Option(
    "--config <FILE>",
    "the relay's config file, for what is not given here; nothing else in it is read or checked",
  );
}

/** What a command needs of a config file: the names of its own options, by the keys of the file. */
type Wanted = Readonly<Record<string, string>>;

/**
 * Gives options of `command` the values that the relay's config file has for them, unless the command line or
 * the environment gives them. Resolves with the path of the file; `undefined` when none was read. `subject`:
 * the option that says what is managed. If the command line gives it, a file that stands only in the
 * environment is not read: its secrets may be for another relay.
 * @throws TunnelError `invalid_option` for mistakes in the values that are wanted, with their lines, and for
 * a file that is no YAML; `unavailable` when it cannot be read.
 */
export async function takeFromConfig(
  command: Command,
  wanted: Wanted,
  subject: string,
): Promise<string | undefined> {
  const file = command.getOptionValue("config") as string | undefined;
  if (file === undefined) return undefined;
  const isAsked = command.getOptionValueSource("config") === "cli";
  if (!isAsked && command.getOptionValueSource(optionKey(subject)) === "cli") return undefined;
  const { FileMistakes, readOptionMap, readYamlFile } = await import("mcp-tunnel-config");
  const options = Object.entries(wanted).map(([key, name]) => optionAs(key, command, name));
  const rules = { options, isRepeatable: () => false, isPart: true };
  const { values, problems } = readOptionMap(readYamlFile(file), [], rules);
  if (problems.length > 0) throw new FileMistakes(file, problems);
  for (const [option, value] of values) {
    const key = optionKey(wanted[option.name()] ?? "");
    if (["cli", "env"].includes(command.getOptionValueSource(key) ?? "")) continue;
    command.setOptionValueWithSource(key, value, "config");
  }
  return file;
}

/** The key of the file, read as the command reads its own option. */
function optionAs(key: string, command: Command, name: string): Option {
  const option = new Option(`--${key} <VALUE>`);
  const parse = command.options.find((one) => one.name() === name)?.parseArg;
  return parse === undefined ? option : option.argParser(parse);
}
