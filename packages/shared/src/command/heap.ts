import { setFlagsFromString } from "node:v8";

/**
 * Lets the heap of this process grow to four times its size before V8 collects all of it, which is V8's own choice
 * for heaps that grow quickly. Buffers of what is on its way count toward that limit, and V8 sets it by the size of
 * the heap, which is small at both ends of a tunnel: uploads made a relay collect all of it many times a second, for
 * a quarter of its time, and downloads a client, for a third. For commands alone: a library's heap is not its own.
 * Call it once, at the start.
 */
export function letHeapGrow(): void {
  setFlagsFromString("--heap-growing-percent=300");
}
