import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve, sep } from "node:path";
import { Command, Option } from "commander";
import type { ConfigRules } from "mcp-tunnel-config";
import { unusable } from "mcp-tunnel-protocol";
import type { TunnelError } from "mcp-tunnel-protocol";
import { isSwitch } from "mcp-tunnel-shared/command";
import type { Mistakes } from "mcp-tunnel-shared/command";
import { parseLocal } from "../options/flags.js";
import type { LocalService } from "../options/flags.js";
import { addTunnelOptions, gatherTunnelOptions } from "../options/tunnel-options.js";
import type { GatheredTunnel } from "../options/tunnel-options.js";

/** What an option takes of a variable, if a config file says nothing of it: which relay, and who asks it. */
const ofEnvironment = [
  ...["relay", "proxy", "relay-ca", "relay-header", "relay-header-file"],
  ...["token", "token-file"],
];

/**
 * Secrets that are given as they are or in a file. If the config file has one, no variable gives the other.
 */
const secrets = ["token", "relay-header"];

/** Options one of which says what a tunnel serves. */
export const servedBy = ["local", "command", "mcp-config"];

/** Options that say what a tunnel is, and so cannot hold for several. */
const ofOneTunnel = [...servedBy, "server", "subdomain"];

/** Options that a command line needs, and a file does not. */
const ofCommandLine = ["stdio", "drop-origin"];

/** Options that take several values. */
const repeatable = [
  ...["command", "server", "relay-header"],
  ...["visitor-key", "visitor-user", "allow-ip", "allow-email"],
];

/** Options whose value is the path of a file. */
const paths = [
  "token-file",
  "relay-ca",
  "relay-header-file",
  "service-ca",
  "visitor-key-file",
  "visitor-user-file",
  "oidc-client-secret-file",
  "mcp-config",
];

/** What people try who know the command line, or other programs. */
const hints = {
  ...Object.fromEntries(["port", "url", "target", "addr"].map((name) => [name, "did you mean 'local'?"])),
  servers: "did you mean 'server'?",
  name: "did you mean 'subdomain'?",
  stdio: "a server on stdio is there by its 'command'",
  "drop-origin": "write 'origin: drop'",
  ...Object.fromEntries(
    ["inspect", "record", "json"].map((name) => [name, `--${name} is an option of mcp-tunnel-client start`]),
  ),
};

/** Stands for what is served where that is not known. No option about a service is without effect there. */
const anyService: LocalService = { target: "https://localhost" };

/** The options of one map of the file, with their values. */
export type Values = ReadonlyMap<Option, unknown>;

function tunnelOptions(): Option[] {
  const { options } = addTunnelOptions(new Command());
  return [
    new Option("--local <service>").argParser(parseLocal),
    new Option("--command <words>").argParser((word: string, others: string[] | undefined) => [
      ...(others ?? []),
      word,
    ]),
    ...options.filter((option) => !ofCommandLine.includes(option.name())),
  ];
}

function rulesFor(isOfOne: boolean): ConfigRules<Option> {
  const hintsOfDefaults = Object.fromEntries(ofOneTunnel.map((name) => [name, "each tunnel has its own"]));
  return {
    options: tunnelOptions().filter((option) => isOfOne || !ofOneTunnel.includes(option.name())),
    isRepeatable: (option) => repeatable.includes(option.name()),
    hints: isOfOne ? hints : { ...hints, ...hintsOfDefaults },
  };
}

/** The keys of a tunnel. */
export const tunnelRules = rulesFor(true);
/** The keys of what holds for all tunnels that say nothing else. */
export const defaultRules = rulesFor(false);

/**
 * The settings that the file has for the tunnel `name`. Its own keys win over the defaults, and these over
 * variables. Variables say only which relay is meant and who asks it: they are often set for another tunnel.
 * Relative paths begin at `folder`, that of the file. All mistakes are told to `mistakes`; undefined: nothing
 * else can be looked at.
 */
export function tunnelSettings(
  name: string,
  { own, defaults }: Readonly<Record<"own" | "defaults", Values>>,
  folder: string,
  mistakes: Mistakes<TunnelError>,
): GatheredTunnel | undefined {
  const all = [...defaults, ...own].map(([option]) => option.name());
  const command = addTunnelOptions(new Command()).exitOverride();
  const known = [...all, ...secrets.flatMap((name) => bothOf(name, all))];
  for (const option of command.options) {
    const isGiven = known.includes(option.name());
    if (isGiven || !ofEnvironment.includes(option.name())) delete option.envVar;
  }
  command.parse([], { from: "user" });
  for (const [values, source] of [
    [defaults, "defaults"],
    [own, "config"],
  ] as const) {
    for (const [option, value] of values) {
      const given = paths.includes(option.name()) ? pathIn(folder, value as string) : value;
      command.setOptionValueWithSource(option.attributeName(), given, source);
    }
  }
  const before = mistakes.all.length;
  for (const option of command.options) {
    if (!paths.includes(option.name())) continue;
    mistakes.attempt(() => checkRegular(option, command.getOptionValue(option.attributeName())));
  }
  // A pipe would be waited for.
  if (mistakes.all.length > before) return undefined;
  const { local, command: words, mcpConfig } = command.opts<Served>();
  const isOne = [local, words, mcpConfig].filter((served) => served !== undefined).length === 1;
  if (!isOne) {
    const message = "a tunnel has one of the keys local, command and mcp-config";
    mistakes.add(unusable(message, { options: servedBy }));
  }
  const isLine = words?.length === 1 && /\s/.test(words[0] as string);
  if (isLine) {
    const message = "command: has to be a list, such as [npx, -y, server]";
    mistakes.add(unusable(message, { options: ["command"] }));
  }
  // Switches are read from variables elsewhere, if nothing is said of them.
  for (const option of command.options) {
    if (!isSwitch(option) || all.includes(option.name())) continue;
    command.setOptionValueWithSource(option.attributeName(), option.negate, "defaults");
  }
  command.setOptionValueWithSource("stdio", words !== undefined, "config");
  if (command.getOptionValue("subdomain") === undefined) {
    command.setOptionValueWithSource("subdomain", name, "defaults");
  }
  if (isOne && !isLine) return gatherTunnelOptions(command, { local, serverCommand: words }, mistakes);
  // What is served does not hide what is wrong with the rest.
  for (const key of ["stdio", "mcpConfig", "server"])
    command.setOptionValueWithSource(key, undefined, "config");
  return gatherTunnelOptions(command, { local: anyService, serverCommand: undefined }, mistakes);
}

/** A secret and its file, if one of the two is among `names`. */
function bothOf(secret: string, names: readonly string[]): string[] {
  const both = [secret, `${secret}-file`];
  return both.some((name) => names.includes(name)) ? both : [];
}

interface Served {
  readonly local?: LocalService;
  readonly command?: readonly string[];
  readonly mcpConfig?: string;
}

/**
 * Refuses a pipe or a device for a file. Files are read again when the config file changes, and a pipe would
 * then stop all tunnels until somebody writes to it.
 * @throws TunnelError `invalid_option`. A file that cannot be looked at is told where it is read.
 */
function checkRegular(option: Option, path: string | undefined): void {
  if (path === undefined || !isOther(path)) return;
  const name = option.name();
  throw unusable(`${name}: ${path} is not a regular file`, { options: [name], file: path });
}

/** Whether something other than a file is there. */
function isOther(path: string): boolean {
  try {
    return !statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * No shell stands between the file and the command to know what `~` is. On Windows paths have either slash.
 */
function pathIn(folder: string, path: string): string {
  return path.startsWith("~/") || path.startsWith(`~${sep}`)
    ? join(homedir(), path.slice(2))
    : resolve(folder, path);
}
