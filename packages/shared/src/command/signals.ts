/**
 * Signals that ask a command to end. Windows has no signals, and Node makes some up there (Node, "Signal
 * events"): SIGINT for Ctrl-C, SIGBREAK for Ctrl-Break, and SIGHUP when the window of the console is closed,
 * after which Windows ends the process within ten seconds. Nobody can send SIGTERM there. Other systems have
 * no SIGBREAK, and to listen for it does nothing.
 */
export const endSignals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"] as const;

/**
 * Whether SIGHUP asks for the end, and not for a reload: the terminal goes away in which the command was
 * started. On Windows there is no other reason for it, also when the streams are files.
 */
export function isHangUpTheEnd(hasTerminal: boolean, platform: NodeJS.Platform = process.platform): boolean {
  return hasTerminal || platform === "win32";
}
