import { getHeapStatistics, setFlagsFromString } from "node:v8";

/** Up to here memory is not what a relay lacks, in bytes. */
const smallHeapBytes = 33_554_432;
const lookEveryMs = 10_000;

/**
 * Buffers of what is on its way count toward the limit at which V8 collects the whole heap, and it sets that limit by the size of
 * the heap: uploads made a relay with a small one do so many times a second (measured: a quarter of its CPU time). So as long
 * as the heap is small the limit is four times its size, V8's own choice for heaps that grow quickly.
 */
export function spareSmallHeap(): void {
  const look = (): void => {
    const isSmall = getHeapStatistics().used_heap_size < smallHeapBytes;
    setFlagsFromString(`--heap-growing-percent=${isSmall ? 300 : 0}`);
  };
  look();
  setInterval(look, lookEveryMs).unref();
}
