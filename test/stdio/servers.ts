import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { modulesOf } from "../support/node-modules.js";
import { pythonWith } from "../support/python.js";

/** An MCP server over stdin and stdout, as `mcpServers` files name one. */
export interface StdioServer {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let modules: string | undefined;
let interpreter: string | undefined;

/** Installs the packages of npm at the first call. Returns whether that failed. */
export function missingNpmServers(): boolean {
  modules ??= modulesOf(here("node"));
  return modules === undefined;
}

/** Installs the packages of PyPI at the first call. Returns whether that failed. */
export function missingPythonServers(): boolean {
  interpreter ??= pythonWith(here("python/requirements.txt"));
  return interpreter === undefined;
}

/** A file of the installed packages of npm. */
export function installed(path: string): string {
  return join(modules as string, "node_modules", path);
}

function npmServer(
  name: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): StdioServer {
  const script = installed(`@modelcontextprotocol/server-${name}/dist/index.js`);
  return { name, command: process.execPath, args: [script, ...args], env };
}

export const everything = (): StdioServer => npmServer("everything", ["stdio"]);

/** Serves the files of a folder. */
export const filesystem = (folder: string): StdioServer => npmServer("filesystem", [folder]);

/** Keeps what it learns in a file. */
export const memory = (file: string): StdioServer => npmServer("memory", [], { MEMORY_FILE_PATH: file });

function pythonServer(name: string, ...args: readonly string[]): StdioServer {
  // `-B`: Python leaves no files in the tree.
  return { name, command: interpreter as string, args: ["-B", ...args] };
}

export const time = (): StdioServer =>
  pythonServer("time", "-m", "mcp_server_time", "--local-timezone", "Europe/Berlin");

export const features = (): StdioServer => pythonServer("features", here("python/features.py"));

export const sdk2 = (): StdioServer => ({
  name: "sdk2",
  command: process.execPath,
  args: [here("sdk2-server.mjs")],
});

/** A folder for the files of a server. */
export function scratchFolder(): { readonly path: string; close(): void } {
  const path = mkdtempSync(join(tmpdir(), "stdio-servers-"));
  return { path, close: () => rmSync(path, { recursive: true, force: true }) };
}
