import { Option } from "commander";
import type { Command } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { exactBytes, formatDuration } from "mcp-tunnel-shared";
import { sizeReader, sourceName } from "mcp-tunnel-shared/command";
import type { OptionValues } from "mcp-tunnel-shared/command";
import type { ServiceOptions } from "mcp-tunnel-client";
import type { StdioOptions } from "mcp-tunnel-stdio";
import { clientVariable, isOn, option, readCount, readDuration } from "./flags.js";

/** The MCP servers that the command serves in place of a local HTTP service. */
export interface McpOptions {
  readonly servers:
    | { readonly form: "command"; readonly command: string; readonly args: readonly string[] }
    | { readonly form: "config"; readonly file: string; readonly names: readonly string[] | undefined };
  readonly limits: StdioLimits;
  /** How servers that are reached over HTTP are told of visitors. */
  readonly forwarding: ServiceOptions;
}

type StdioLimits = Pick<
  StdioOptions,
  "era" | "maxSessions" | "sessionIdleMs" | "startTimeoutMs" | "maxMessageBytes"
>;

/** The values of the flags of {@link addMcpOptions}. */
export interface McpFlags {
  stdio?: boolean;
  mcpConfig?: string;
  server?: string[];
  stdioEra?: NonNullable<StdioOptions["era"]>;
  stdioSessions?: number;
  stdioIdle?: number;
  stdioStartTimeout?: number;
  stdioMaxMessage?: number;
}

/** The arguments of a command line before and after its first `--`. */
export interface SplitArguments {
  readonly own: readonly string[];
  /** The command of a server on stdio; `undefined` without a `--`. */
  readonly command: readonly string[] | undefined;
}

const stdioExample =
  "mcp-tunnel-client --stdio --relay <url> -- npx -y @modelcontextprotocol/server-everything stdio";

/**
 * Takes the command of a server off the arguments: it has options of its own.
 * @throws TunnelError `invalid_option` if `--stdio` is there and `--` is not. The options of that command
 * would be taken for unknown ones of this.
 */
export function splitArguments(
  args: readonly string[],
  platform: NodeJS.Platform = process.platform,
): SplitArguments {
  const at = args.indexOf("--");
  if (at !== -1) return { own: args.slice(0, at), command: args.slice(at + 1) };
  const asksOnly = ["-h", "--help", "-V", "--version"].some((flag) => args.includes(flag));
  if (args.includes("--stdio") && !asksOnly) throw withoutDashes(platform);
  return { own: args, command: undefined };
}

function withoutDashes(platform: NodeJS.Platform): Error {
  const message = `--stdio takes the command that starts the MCP server after --, at the end: ${stdioExample}`;
  // npm puts a script for PowerShell beside each command, and PowerShell keeps the first -- of a script.
  const quoted = platform === "win32" ? ". PowerShell passes -- on only in quotes: '--'" : "";
  return unusable(`${message}${quoted}`, { options: ["stdio"] });
}

/** Adds the flags for MCP servers. The defaults of the limits are the library's: here they are only shown. */
export function addMcpOptions(command: Command): Command {
  const added = [
    new Option("--stdio", "serve the MCP server that the command after -- starts, at /mcp"),
    option(
      "--mcp-config <file>",
      "serve the MCP servers of a config file (Claude Desktop, Claude Code, Cursor, VS Code), each at /<name>/mcp",
    ),
    option("--server <name>", "a server of --mcp-config to serve; can be given several times")
      .default(undefined, "all that are not disabled")
      .argParser((name: string, others: string[] | undefined) => [...(others ?? []), name]),
    option(
      "--stdio-era <era>",
      "the MCP revisions of the servers: 'legacy' up to 2025-11-25, 'modern' from 2026-07-28, or 'auto' to ask them",
    )
      .choices(["auto", "legacy", "modern"])
      .default(undefined, "auto"),
    option("--stdio-sessions <number>", "sessions of a server at the same time, each with a process")
      .default(undefined, "32")
      .argParser(readCount),
    option("--stdio-idle <duration>", "how long a session may be unused before it ends")
      .default(undefined, formatDuration(1_800_000))
      .argParser(readDuration),
    option("--stdio-start-timeout <duration>", "how long a server may take to start; npx may download it")
      .default(undefined, formatDuration(60_000))
      .argParser(readDuration),
    option("--stdio-max-message <bytes>", "the longest message, in either direction")
      .default(undefined, exactBytes(33_554_432))
      .argParser(sizeReader({ least: 1 })),
  ];
  for (const one of added) command.addOption(one.helpGroup("MCP servers:"));
  return command;
}

/**
 * The MCP servers to serve; `undefined` if a local HTTP service is served. Exactly one has to be given: a
 * service (`hasLocal`), `--stdio` or `--mcp-config`.
 * @throws TunnelError `invalid_option`.
 */
export function readMcpOptions(
  flags: McpFlags,
  values: OptionValues,
  hasLocal: boolean,
  command: SplitArguments["command"],
  forwarding: ServiceOptions,
): McpOptions | undefined {
  const isStdio = isOn("stdio", flags.stdio);
  const { mcpConfig: file, server: names } = flags;
  const stdioName = flags.stdio === true ? "--stdio" : clientVariable("stdio");
  const configName = sourceName(values, "mcp-config");
  if (command !== undefined && !isStdio) {
    throw unusable("a command after -- is for --stdio: add it", { options: ["stdio"] });
  }
  if (names !== undefined && file === undefined) {
    throw unusable("--server names a server in a file: add --mcp-config <file>", { options: ["server"] });
  }
  checkOneForm([hasLocal && "<local>", isStdio && stdioName, file !== undefined && configName]);
  if (hasLocal) return undefined;
  const limits = limitsOf(flags);
  if (file !== undefined) return { servers: { form: "config", file, names }, limits, forwarding };
  const [program, ...args] = command ?? [];
  if (program === undefined) throw withoutDashes(process.platform);
  return { servers: { form: "command", command: program, args }, limits, forwarding };
}

function checkOneForm(forms: readonly (string | false)[]): void {
  const given = forms.filter((form) => form !== false);
  if (given.length === 0) {
    throw unusable(
      "missing required argument 'local': give a port, --stdio and a command after --, or --mcp-config <file>",
    );
  }
  if (given.length > 1) throw unusable(`${given.join(" and ")} exclude each other: give one of them`);
}

function limitsOf(flags: McpFlags): StdioLimits {
  const { stdioEra, stdioSessions, stdioIdle, stdioStartTimeout, stdioMaxMessage } = flags;
  return {
    ...(stdioEra === undefined ? {} : { era: stdioEra }),
    ...(stdioSessions === undefined ? {} : { maxSessions: stdioSessions }),
    ...(stdioIdle === undefined ? {} : { sessionIdleMs: stdioIdle }),
    ...(stdioStartTimeout === undefined ? {} : { startTimeoutMs: stdioStartTimeout }),
    ...(stdioMaxMessage === undefined ? {} : { maxMessageBytes: stdioMaxMessage }),
  };
}
