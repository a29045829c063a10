import { setFlagsFromString } from "node:v8";

/**
 * Lets the heap of this process grow to four times its size before V8 collects all of it. V8 itself chooses
 * this factor for heaps that grow quickly. Buffers of data on its way count toward that limit, and V8 sets
 * the limit by the size of the heap, which is small at both ends of a tunnel. With V8's usual limit, uploads
 * made a relay collect its whole heap many times a second, for a quarter of its time. Downloads did the same
 * to a client, for a third of its time. Only commands call it, because a library does not own the heap. Call
 * it once, at the start.
 */
export function letHeapGrow(): void {
  setFlagsFromString("--heap-growing-percent=300");
}
