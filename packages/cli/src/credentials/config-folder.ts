import { homedir } from "node:os";
import { posix, win32 } from "node:path";

/**
 * Where the settings of a user are: `$XDG_CONFIG_HOME/mcp-tunnel`, by default `~/.config/mcp-tunnel`, also on
 * macOS, as people of command lines expect it there. On Windows `%APPDATA%\mcp-tunnel`. The parameters are
 * for tests.
 */
export function configFolder(
  platform: NodeJS.Platform = process.platform,
  env: Readonly<Record<string, string | undefined>> = process.env,
  home: string = homedir(),
): string {
  const path = platform === "win32" ? win32 : posix;
  // The XDG specification has relative paths ignored. A variable of Windows is held to the same.
  const variable = env[platform === "win32" ? "APPDATA" : "XDG_CONFIG_HOME"] ?? "";
  if (path.isAbsolute(variable)) return path.join(variable, "mcp-tunnel");
  const usual = platform === "win32" ? ["AppData", "Roaming"] : [".config"];
  return path.join(home, ...usual, "mcp-tunnel");
}
