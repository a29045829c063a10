import { setTimeout as delay } from "node:timers/promises";

/** How long the page may work before the tunnel has its turn, and how long that turn is, in milliseconds. */
export const sliceMs = 5;
export const pauseMs = 15;

/**
 * Gives the items one by one and makes a pause after every few milliseconds. A search through all bodies
 * takes half a second, and nothing else of this process would go on meanwhile.
 */
export async function* inSlices<Item>(items: Iterable<Item>): AsyncGenerator<Item, void, void> {
  let until = performance.now() + sliceMs;
  for (const item of items) {
    yield item;
    if (performance.now() < until) continue;
    await delay(pauseMs, undefined, { ref: false });
    until = performance.now() + sliceMs;
  }
}
