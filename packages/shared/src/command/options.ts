/** The part of a commander `Command` that knows the values of its options. */
export interface OptionValues {
  /** `key`: the option's name in camel case. */
  getOptionValue(key: string): unknown;
  /**
   * `cli`, `env`, `config` or `default`; `undefined` for an option that has no value. `defaults`: from the
   * part of a config file that holds for several tunnels.
   */
  getOptionValueSource(key: string): string | undefined;
  /** The options themselves. */
  readonly options?: readonly NamedOption[];
}

/** The part of a commander `Option` that knows its names. */
interface NamedOption {
  name(): string;
  /** The variable that is read for it. */
  readonly envVar?: string | undefined;
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

/** Whether an option is on or off. One that begins with `no-` sets the value `false` when it is on. */
export function isSwitch(option: { isBoolean(): boolean; readonly negate: boolean }): boolean {
  return option.isBoolean() || option.negate;
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
  if (values.getOptionValueSource(optionKey(option)) !== "env") return `--${option}`;
  return values.options?.find((one) => one.name() === option)?.envVar ?? environmentName(option);
}

/**
 * Takes variables of ours that are set and empty out of the environment. A compose file leaves an option out
 * by such a variable.
 */
export function dropEmptyVariables(env: NodeJS.ProcessEnv = process.env): void {
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith("MCP_TUNNEL_") && value === "") delete env[name];
  }
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
