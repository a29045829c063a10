import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Up to here memory is not what a relay lacks, in bytes. */
const smallHeapBytes = 33_554_432;
/** What a quiet process may keep beyond what it needs, in bytes. */
const slackBytes = 4_194_304;
const lookEveryMs = 10_000;
/** A relay is quiet that has used less of a processor than this, so many times in a row. */
const quietShare = 0.1;
const quietLooks = 3;

/** What is known of a process, and done about it; tests have another. */
export interface Heap {
  /** Bytes in use. */
  usedBytes(): number;
  /** Bytes that the space for new objects has taken. */
  youngBytes(): number;
  /** Memory of the process. */
  residentBytes(): number;
  /** CPU time so far, in microseconds. */
  cpuMicros(): number;
  /** How much the heap may grow before all of it is collected, in percent; 0: as V8 thinks best. */
  setGrowth(percent: number): void;
  /** Collects, and gives back what is free then. Takes two milliseconds for each MB in use at worst. */
  shrink(): void;
}

/**
 * Looks after V8's heap for as long as the process runs, in two ways:
 *
 * - Buffers of what is on its way count toward the limit at which V8 collects the whole heap, and it sets that limit by the size
 *   of the heap: uploads made a relay with a small one do so many times a second (measured: a quarter of its CPU time). So as
 *   long as the heap is small the limit is four times its size, V8's own choice for heaps that grow quickly.
 * - A burst, of registrations for one, makes V8 take 32 MB for new objects. It gives them back when it collects these while little
 *   is going on, and with little going on there is nothing to collect. So half a minute later it is told to.
 */
export function tendHeap(heap: Heap = ownHeap()): NodeJS.Timeout {
  let cpu = heap.cpuMicros();
  let quiet = 0;
  /** What was left after the last time. */
  let needed = heap.residentBytes();
  let hasShrunk = false;
  const look = (): void => {
    heap.setGrowth(heap.usedBytes() < smallHeapBytes ? 300 : 0);
    const before = cpu;
    cpu = heap.cpuMicros();
    quiet = cpu - before < quietShare * lookEveryMs * 1_000 ? quiet + 1 : 0;
    // Pages are given back a moment later.
    if (hasShrunk) needed = heap.residentBytes();
    // The space may have become small by itself, with its pages kept for later.
    const hasSlack = heap.youngBytes() > slackBytes || heap.residentBytes() > needed + slackBytes;
    hasShrunk = quiet >= quietLooks && hasSlack;
    if (hasShrunk) heap.shrink();
  };
  heap.setGrowth(300);
  return setInterval(look, lookEveryMs).unref();
}

function ownHeap(): Heap {
  // Node has no other way to it without a flag on its command line.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: { type: "major"; flavor: "last-resort" }) => void;
  return {
    usedBytes: () => getHeapStatistics().used_heap_size,
    youngBytes: () =>
      getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0,
    residentBytes: () => process.memoryUsage.rss(),
    cpuMicros: () => {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    setGrowth: (percent) => setFlagsFromString(`--heap-growing-percent=${percent}`),
    // Node 20 knows no flavors and collects the new objects only, which is enough there; later ones keep what is free then for
    // themselves unless it is a last resort.
    shrink: () => collect({ type: "major", flavor: "last-resort" }),
  };
}
