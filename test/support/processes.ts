import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Whether the operating system tells of processes in the way that {@link marked} needs: Linux does. */
export const tellsProcesses = existsSync("/proc/self/environ");

/**
 * The processes that have `NAME=value` in their environment, and those of their children that have ended and
 * were not waited for. A process gets the environment of the one that has started it, so this finds all
 * descendants of a process, wherever they have gone.
 */
export function marked(variable: string): number[] {
  const found = new Set<number>();
  const zombies: { pid: number; parent: number }[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const environment = read(pid, "environ");
    if (environment.split("\0").includes(variable)) found.add(pid);
    else if (environment === "") {
      // The fields after the name, which may hold any characters (proc(5)).
      const [state, parent] = read(pid, "stat").split(") ").at(-1)?.split(" ") ?? [];
      if (state === "Z") zombies.push({ pid, parent: Number(parent) });
    }
  }
  return [...found, ...zombies.filter(({ parent }) => found.has(parent)).map(({ pid }) => pid)];
}

/** The kinds of what a process has open, sorted: `socket`, `pipe`, the path of a file. */
export function openFiles(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).map((fd) => linkOf(`${folder}/${fd}`));
  return targets
    .filter((target) => target !== undefined)
    .map((target) => target.replace(/:\[\d+\]$/, ""))
    .toSorted();
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    // The process has ended, or is another user's.
    return "";
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Whether there is such a process, which may be one that has ended and was not waited for. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
