/**
 * Whether the tests run on Windows. It has no signals, modes, owners, POSIX shells and named pipes in
 * folders, and its users make symbolic links only with a right of their own. A test of these is skipped
 * there.
 */
export const onWindows = process.platform === "win32";

/**
 * The end of a command that was asked for it by a signal, and ends with `code`. On Windows the signal ends
 * the process at once (Node, "Signal events").
 */
export function endedBy(
  signal: NodeJS.Signals,
  code: number,
): { code: number | null; signal: NodeJS.Signals | null } {
  return onWindows ? { code: null, signal } : { code, signal: null };
}

/** Variables by which the folder of settings is `folder/mcp-tunnel`, on each system. */
export function settingsIn(folder: string): { XDG_CONFIG_HOME: string; APPDATA: string } {
  return { XDG_CONFIG_HOME: folder, APPDATA: folder };
}
