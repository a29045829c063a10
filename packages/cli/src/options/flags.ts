import { InvalidArgumentError, Option } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { durationReader, environmentName, optionKey, readSwitch } from "mcp-tunnel-shared/command";
import type { OptionValues } from "mcp-tunnel-shared/command";
import type { TunnelClientOptions } from "mcp-tunnel-client";

/**
 * The options whose variable would mean two things. `MCP_TUNNEL_TOKEN_FILE` names the file of all the tokens
 * that a relay takes, and `MCP_TUNNEL_CONFIG` the relay's config file.
 */
const optionsOfRelay = ["token-file", "config"];

/**
 * The variable that is read for an option: `MCP_TUNNEL_CLIENT_<OPTION>` if it is set, or else
 * `MCP_TUNNEL_<OPTION>`, unless that is the relay's.
 */
export function clientVariable(option: string): string {
  const own = environmentName(`client-${option}`);
  return (process.env[own] ?? "") !== "" || optionsOfRelay.includes(option) ? own : environmentName(option);
}

/** An option that the environment can set, too. */
export function option(flags: string, text: string): Option {
  const created = new Option(flags, text);
  return created.env(clientVariable(created.name()));
}

/**
 * Whether an option was given for one tunnel alone. Variables, and the defaults of a config file, are often
 * set once for several.
 */
export function isOfTunnel(values: OptionValues, name: string): boolean {
  const source = values.getOptionValueSource(optionKey(name));
  return source === "cli" || source === "config";
}

/** Whether a switch is on, by the command line, a config file or the environment. */
export function isOn(name: string, given: boolean | undefined): boolean {
  if (given !== undefined) return given;
  const variable = clientVariable(name);
  const value = process.env[variable] ?? "";
  const isSet = readSwitch(value);
  if (isSet !== undefined) return isSet;
  throw unusable(`${variable} must be true or false, not '${value}'`, { options: [name] });
}

/** A local service: its port on this machine, or its origin. */
export type LocalService = Pick<TunnelClientOptions, "port" | "target">;

/** Its origin, as a person would write it. */
export function originOf({ port, target }: LocalService): string {
  return String(target ?? `http://localhost:${port}`);
}

/**
 * Reads a port, host:port or a URL. A host that is left out is this machine.
 * @throws InvalidArgumentError for anything else. The library checks the parts of the URL later, as its
 * `target`.
 */
export function parseLocal(text: string): LocalService {
  if (/^\d+$/.test(text)) return { port: Number(text) };
  // A URL parser would take `localhost:3000` for the scheme "localhost".
  const [, host, rest] = /^([\w.-]*|\[.*\])(:\d+(?:\/.*)?)$/.exec(text) ?? [];
  const target = host === undefined ? text : `http://${host || "localhost"}${rest}`;
  if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) {
    throw new InvalidArgumentError(
      "It takes a port, such as 3000, host:port, such as localhost:3000 or [::1]:3000, or http(s)://host:port.",
    );
  }
  return { target };
}

/**
 * A reader of a value that the library checks, too. commander reports the mistakes, and says whether they
 * come from the environment. The reader is not for values that may hold a password, because commander repeats
 * the value.
 */
export function checkedBy(check: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      check(text);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      throw new InvalidArgumentError(error.message);
    }
    return text;
  };
}

/** A duration, in milliseconds. */
export const readDuration = durationReader();

/** A whole number from 1. */
export function readCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError("It takes a whole number from 1.");
}
