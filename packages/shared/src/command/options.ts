/** The part of a commander `Command` that knows the values of its options. */
export interface OptionValues {
  /** `key`: the option's name in camel case. */
  getOptionValue(key: string): unknown;
  /**
   * `cli`, `env`, `config` or `default`; `undefined` for an option that has no value. `defaults`: from the
   * part of a config file that holds for several tunnels.
   */
  getOptionValueSource(key: string): string | undefined;
}

/** The part of a commander `Option` that knows its own help. */
interface OptionHelp {
  readonly description: string;
  readonly defaultValue?: string | number | boolean | undefined;
  readonly defaultValueDescription?: string | undefined;
}

/** The variable that an option has in the environment: MCP_TUNNEL_TOKEN_FILE for `token-file`. */
export function environmentName(option: string): string {
  return `MCP_TUNNEL_${option.toUpperCase().replaceAll("-", "_")}`;
}

/** The key under which commander keeps an option: `tokenFile` for `token-file`. */
export function optionKey(option: string): string {
  return option.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * What a variable says of a switch; `undefined` if it is neither yes nor no. commander would take any value
 * for yes.
 */
export function readSwitch(value: string): boolean | undefined {
  const word = value.toLowerCase();
  if (["1", "true", "yes", "on"].includes(word)) return true;
  if (["", "0", "false", "no", "off"].includes(word)) return false;
  return undefined;
}

/**
 * The name under which a person set an option: its variable if the value comes from the environment, its flag
 * otherwise.
 */
export function sourceName(values: OptionValues, option: string): string {
  const isVariable = values.getOptionValueSource(optionKey(option)) === "env";
  return isVariable ? environmentName(option) : `--${option}`;
}

/**
 * An option's line in the help. commander would add the variable to each line, but its name follows from the
 * option's.
 */
export function optionDescription({
  description,
  defaultValue,
  defaultValueDescription,
}: OptionHelp): string {
  const byDefault = defaultValueDescription ?? defaultValue;
  return byDefault === undefined ? description : `${description} (default: ${byDefault})`;
}
