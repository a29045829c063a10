import { signal } from "@preact/signals";
import { say } from "mcp-tunnel-page/notice.ts";
import { go } from "../route.ts";

/** The exchange that the next one is compared with. */
export const marked = signal<number | undefined>(undefined);

/** Marks the first of two exchanges, or compares the second one with it. */
export function markOrCompare(id: number): void {
  const first = marked.peek();
  if (first === undefined) {
    marked.value = id;
    say(`Exchange ${id} is A. Open another one and compare it.`);
  } else if (first === id) {
    marked.value = undefined;
  } else {
    marked.value = undefined;
    go({ compare: [first, id] });
  }
}
