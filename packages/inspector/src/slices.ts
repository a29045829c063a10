import { setTimeout as delay } from "node:timers/promises";

/** How long the page may work before the tunnel has its turn, and how long that turn is, in milliseconds. */
const sliceMs = 5;
const pauseMs = 15;
const maxPauseMs = 1_000;

/** A piece of work that leaves most of the time to the tunnel. */
export class Slice {
  readonly #startMs = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#startMs > sliceMs;
  }

  /**
   * How long the tunnel has its turn now. To read one entry may take a hundred times as long as a slice,
   * because of what strangers have put into it. So the turn is as much longer.
   */
  get pauseMs(): number {
    const workedMs = performance.now() - this.#startMs;
    return Math.min(Math.max(pauseMs, (pauseMs / sliceMs) * workedMs), maxPauseMs);
  }
}

/**
 * Gives the items one by one and makes a pause after every few milliseconds. A search through all bodies
 * takes half a second, and nothing else of this process would go on meanwhile.
 */
export async function* inSlices<Item>(items: Iterable<Item>): AsyncGenerator<Item, void, void> {
  let slice = new Slice();
  for (const item of items) {
    yield item;
    if (!slice.isOver) continue;
    await delay(slice.pauseMs, undefined, { ref: false });
    slice = new Slice();
  }
}
