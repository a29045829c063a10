// Numbers of the operating system about a process. Linux only, like the programs that the bench drives.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";

/** USER_HZ. Linux fixes it at 100 for programs, whatever the kernel's own tick is. */
const ticksPerSecond = 100;

/** Processor time that the process has used so far, in seconds: user mode and kernel, all threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is the program's name in parentheses. The name may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Resident memory now, in bytes. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The most resident memory since the start of the process or the last `resetPeak`, in bytes. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** Starts the measurement of the peak anew. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** How many sockets the process has open. */
export function openSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith("socket:");
    } catch {
      // The socket was closed meanwhile.
      return false;
    }
  }).length;
}

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status);
  if (match === null) throw new Error(`process ${pid} has no ${field}: it has probably ended`);
  return Number(match[1]) * 1024;
}

/**
 * Processor time that the threads of the process have used so far, in milliseconds. `cpuSeconds` counts in
 * steps of 10 ms, which is too coarse for a start.
 */
export function threadsMilliseconds(pid: number): number {
  const folder = `/proc/${pid}/task`;
  const nanoseconds = readdirSync(folder).map((thread) => {
    try {
      return Number(readFileSync(`${folder}/${thread}/schedstat`, "latin1").split(" ")[0]);
    } catch {
      // The thread has ended meanwhile.
      return 0;
    }
  });
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}
