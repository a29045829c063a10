import { spawn } from "node:child_process";
import { win32 } from "node:path";
import type { ResolvedStdioOptions } from "../options.js";
import type { Started } from "./spawn.js";

/**
 * The end of a server that runs: its stdin is closed, after `exitGraceMs` its group gets SIGTERM, after
 * `killGraceMs` more SIGKILL (MCP, "Lifecycle": Shutdown, stdio).
 */
export class Ending {
  /** Whether the server was told to end by a signal: it took too long. */
  hasSignalled = false;
  #timer: NodeJS.Timeout;

  constructor(started: Started, { exitGraceMs, killGraceMs }: ResolvedStdioOptions) {
    started.stdin.end();
    this.#timer = setTimeout(() => {
      this.hasSignalled = true;
      signalGroup(started, "SIGTERM");
      this.#timer = setTimeout(() => signalGroup(started, "SIGKILL"), killGraceMs);
    }, exitGraceMs);
  }

  /** The server has ended. */
  done(): void {
    clearTimeout(this.#timer);
  }
}

function signalGroup({ child, pid }: Started, signal: "SIGTERM" | "SIGKILL"): void {
  // Node has not reported the end of the server: its number is its own until then, and so is that of its
  // group.
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (process.platform === "win32") return endTree(pid, signal === "SIGKILL");
  try {
    process.kill(-pid, signal);
  } catch {
    // macOS refuses to signal a group of which only a zombie is left (EPERM).
  }
}

/** Without force, only what has a window is asked to end. */
function endTree(pid: number, byForce: boolean): void {
  const taskkill = spawn(taskkillPath(process.env), ["/pid", String(pid), "/T", ...(byForce ? ["/F"] : [])], {
    stdio: "ignore",
    windowsHide: true,
  });
  taskkill.on("error", () => {});
}

/**
 * By its name alone, Windows would look for it in the working directory first, where others may have put one.
 */
export function taskkillPath({ SystemRoot }: NodeJS.ProcessEnv): string {
  return win32.join(SystemRoot ?? String.raw`C:\Windows`, "System32", "taskkill.exe");
}
