import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** Whether the operating system has the numbers for {@link memoryRise} and {@link cpuMs}: Linux does. */
export const tellsMemory = existsSync("/proc/self/clear_refs");

/**
 * Runs `work` and returns the rise of each process's resident memory, in bytes: from its value before to its
 * peak meanwhile.
 */
export async function memoryRise(pids: readonly number[], work: () => Promise<void>): Promise<number[]> {
  const before = pids.map(memoryOf);
  // Resets the peak (proc(5)).
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, "5");
  await work();
  return pids.map((pid, i) => statusBytes(pid, "VmHWM") - (before[i] as number));
}

/**
 * The processor time that a process has used so far, in milliseconds. Unlike any clock, it does not count the
 * work of other processes.
 */
export function cpuMs(pid: number): number {
  // The fields after the name, which may hold any characters (proc(5)). utime and stime count in units of 10
  // ms.
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

/** The resident memory of a process, in bytes. */
export function memoryOf(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status);
  if (match === null) throw new Error(`process ${pid} has no ${field}: it has probably ended`);
  return Number(match[1]) * 1_024;
}
