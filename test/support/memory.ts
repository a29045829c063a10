import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** Whether the operating system tells what {@link memoryRise} and {@link cpuMs} ask: Linux does. */
export const tellsMemory = existsSync("/proc/self/clear_refs");

/**
 * Runs `work` and returns how much more memory each process held at its worst meanwhile than when it began, in bytes of
 * resident memory.
 */
export async function memoryRise(pids: readonly number[], work: () => Promise<void>): Promise<number[]> {
  const before = pids.map((pid) => statusBytes(pid, "VmRSS"));
  // The peak starts anew (proc(5)).
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, "5");
  await work();
  return pids.map((pid, i) => statusBytes(pid, "VmHWM") - (before[i] as number));
}

/** The time that a process has spent on a processor so far, in milliseconds: unlike any clock, nobody else's work is in it. */
export function cpuMs(pid: number): number {
  // The fields after the name, which may hold anything (proc(5)); utime and stime count in 10 ms.
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status);
  if (match === null) throw new Error(`process ${pid} has no ${field}: it has probably ended`);
  return Number(match[1]) * 1_024;
}
