import { basename, dirname, resolve } from "node:path";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { EntryReader } from "./entry.js";
import type { McpServerEntry } from "./entry.js";
import { readServers } from "./file.js";
import type { NamedValue } from "./file.js";

/** Which servers of a config file are read. */
export interface ReadMcpConfigOptions {
  /** The names of the servers to read. Default: all that are not `disabled`. */
  servers?: readonly string[];
}

/**
 * Reads the MCP servers in a config file of Claude Desktop, Claude Code, Cursor (`mcpServers`) or VS Code
 * (`servers`). `${...}` is replaced. Relative paths start at the file's project: its folder, or the folder
 * above one whose name begins with a dot (`.vscode`, `.cursor`). Entries that are not asked for may be wrong.
 * @throws TunnelError `unavailable` for a file that cannot be read; `invalid_option`, with a message that
 * names the file, the server and the member, what it is and what it must be. Its `options` name `servers` if
 * another choice of servers would do.
 */
export function readMcpConfig(file: string, options: ReadMcpConfigOptions = {}): McpServerEntry[] {
  const entries = new EntryReader(file, { project: projectOf(file), env: process.env });
  return chosenServers(file, entries, options).map((server) => entries.read(server));
}

/** The servers of a file that can be read, and what is wrong with the others. */
export interface CheckedMcpConfig {
  /** Those that can be read, in the order of the file. */
  readonly entries: readonly McpServerEntry[];
  /** Errors as {@link readMcpConfig} throws them. */
  readonly mistakes: readonly TunnelError[];
}

/**
 * The same, with everything that is wrong with the servers: one that cannot be read does not hide the others.
 * @throws TunnelError as {@link readMcpConfig}, for what is wrong with the file or with the choice.
 */
export function checkMcpConfig(file: string, options: ReadMcpConfigOptions = {}): CheckedMcpConfig {
  const mistakes: TunnelError[] = [];
  const places = { project: projectOf(file), env: process.env };
  const reader = new EntryReader(file, places, (mistake) => mistakes.push(mistake));
  const entries = chosenServers(file, reader, options).flatMap((server) => {
    const before = mistakes.length;
    try {
      const entry = reader.read(server);
      return mistakes.length === before ? [entry] : [];
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      mistakes.push(error);
      return [];
    }
  });
  return { entries, mistakes };
}

function chosenServers(
  file: string,
  entries: EntryReader,
  { servers }: ReadMcpConfigOptions,
): readonly NamedValue[] {
  const named = readServers(file);
  const chosen =
    servers === undefined
      ? named.filter((server) => !entries.isDisabled(server))
      : servers.map((name) => find(name, named, file));
  if (chosen.length > 0) return [...new Set(chosen)];
  if (named.length === 0) throw unusable(`${file} has no MCP servers: it is empty`, { file });
  const message = `${file} has no MCP servers: all are disabled: name those to serve`;
  throw unusable(message, { file, options: ["servers"] });
}

function find(name: string, named: readonly NamedValue[], file: string): NamedValue {
  const found = named.find((server) => server.name === name);
  if (found !== undefined) return found;
  const names = named.map((server) => `'${server.name}'`).join(", ");
  throw unusable(`${file} has no server '${name}'; it has ${names || "none"}`, { file });
}

function projectOf(file: string): string {
  const folder = dirname(resolve(file));
  return basename(folder).startsWith(".") ? dirname(folder) : folder;
}
