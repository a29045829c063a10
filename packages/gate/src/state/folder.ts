import { homedir } from "node:os";
import { posix, win32 } from "node:path";

/** What {@link stateFolder} looks at, for tests. */
export interface System {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/**
 * Where what lasts is kept: `MCP_TUNNEL_STATE_DIR`, or else
 *
 * - Linux and others: `$XDG_STATE_HOME/mcp-tunnel`, by default `~/.local/state/mcp-tunnel`
 * - macOS: `~/Library/Application Support/mcp-tunnel`
 * - Windows: `%LOCALAPPDATA%\mcp-tunnel`
 *
 * The package env-paths has other places: it knows no state on macOS and Windows, and adds `-nodejs` or
 * `Log`.
 */
export function stateFolder(
  { platform, env, home }: System = { platform: process.platform, env: process.env, home: homedir() },
): string {
  const path = platform === "win32" ? win32 : posix;
  const given = env["MCP_TUNNEL_STATE_DIR"] ?? "";
  if (given !== "") return path.resolve(given);
  if (platform === "darwin") return path.join(home, "Library", "Application Support", "mcp-tunnel");
  // The XDG specification has relative paths ignored. A variable of Windows is held to the same.
  const variable = env[platform === "win32" ? "LOCALAPPDATA" : "XDG_STATE_HOME"] ?? "";
  if (path.isAbsolute(variable)) return path.join(variable, "mcp-tunnel");
  const usual = platform === "win32" ? ["AppData", "Local"] : [".local", "state"];
  return path.join(home, ...usual, "mcp-tunnel");
}
