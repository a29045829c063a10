/** A response whose head has been written, and waits for data. */
interface WaitingHead {
  /** Sends the head now, unless it has left with data. */
  flushHead(): void;
}

/**
 * Heads that wait until the end of the running event for the data that may have come together with them.
 * They wait as one, because a message of a tunnel brings many heads.
 */
export class WaitingHeads {
  #waiting: WaitingHead[] = [];

  /** `flushHead` is called before the next event of Node. */
  add(head: WaitingHead): void {
    if (this.#waiting.push(head) === 1) process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    const heads = this.#waiting;
    this.#waiting = [];
    for (const head of heads) head.flushHead();
  };
}
