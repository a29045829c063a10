import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Up to here memory is not what a relay lacks, in bytes. */
const smallHeapBytes = 33_554_432;
/** A larger heap is not collected for its slack's sake, in bytes: that takes up to 3 ms for each MB. */
const shrinkableBytes = 134_217_728;
/** What the space for new objects may keep while little happens, in bytes. */
const smallYoungBytes = 4_194_304;
const lookEveryMs = 10_000;
/** A relay is quiet that has used less of a processor than this, so many times in a row. */
const quietShare = 0.1;
const quietLooks = 3;
/** One that stays quiet is looked at again after so many. */
const againLooks = 60;
/** Node 20 gives up what is free at the second collection. */
const shrinksAtOnce = 2;

/** What is known of a process's heap, and done about it; tests have another. */
export interface Heap {
  /** Bytes in use. */
  usedBytes(): number;
  /** Bytes that the space for new objects has taken. */
  youngBytes(): number;
  /** CPU time so far, in microseconds. */
  cpuMicros(): number;
  /** How much the heap may grow before all of it is collected, in percent; 0: as V8 thinks best. */
  setGrowth(percent: number): void;
  /** Collects, and gives back what is free then. */
  shrink(): void;
}

/**
 * Looks after V8's heap for as long as the process runs, in two ways:
 *
 * - Buffers of what is on its way count toward the limit at which V8 collects the whole heap, and it sets that limit by the size
 *   of the heap: uploads made a relay with a small one do so many times a second (measured: a quarter of its CPU time). So as
 *   long as the heap is small the limit is four times its size, V8's own choice for heaps that grow quickly.
 * - A burst, of registrations for one, makes V8 take 32 MB for new objects. It gives them back when it collects these while little
 *   is going on, and with little going on there is nothing to collect. So half a minute after a burst it is told to; and every
 *   ten minutes, if that space has grown again without one.
 */
export function tendHeap(heap: Heap = ownHeap()): NodeJS.Timeout {
  let cpu = heap.cpuMicros();
  let quiet = 0;
  // A start is a burst.
  let shrinks = shrinksAtOnce;
  const look = (): void => {
    const usedBytes = heap.usedBytes();
    heap.setGrowth(usedBytes < smallHeapBytes ? 300 : 0);
    const before = cpu;
    cpu = heap.cpuMicros();
    const isQuiet = cpu - before < quietShare * lookEveryMs * 1_000;
    quiet = isQuiet ? quiet + 1 : 0;
    const hasGrownQuietly = quiet % againLooks === 0 && heap.youngBytes() > smallYoungBytes;
    if (!isQuiet || hasGrownQuietly) shrinks = shrinksAtOnce;
    if (shrinks === 0 || quiet < quietLooks || usedBytes > shrinkableBytes) return;
    shrinks -= 1;
    heap.shrink();
  };
  heap.setGrowth(300);
  return setInterval(look, lookEveryMs).unref();
}

/** The heap of this process. */
export function ownHeap(): Heap {
  // Node has no other way to it without a flag on its command line.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: { type: "major"; flavor: "last-resort" }) => void;
  return {
    usedBytes: () => getHeapStatistics().used_heap_size,
    youngBytes: () =>
      getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0,
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
