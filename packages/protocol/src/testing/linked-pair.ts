import type { Link, LinkHandler } from "../link.js";

/**
 * A pair of links in memory. Messages arrive in order, in a later turn, or with `manual` by calls of
 * `deliver`.
 */
export function linkedPair(options: { manual?: boolean } = {}): [MemoryLink, MemoryLink] {
  const left = new MemoryLink(options.manual ?? false);
  const right = new MemoryLink(options.manual ?? false);
  left.peer = right;
  right.peer = left;
  return [left, right];
}

/** One end of a {@link linkedPair}. */
export class MemoryLink implements Link {
  handler: LinkHandler | undefined;
  /** The other end. */
  peer!: MemoryLink;
  /** Messages on their way to this end. */
  readonly inbox: (Buffer | string)[] = [];
  /** Set once this end is closed. */
  closed: { code: number; reason: string } | undefined;
  /** Pretends that this many bytes have not left yet. */
  bufferedBytes = 0;
  #paused = false;
  #scheduled = false;
  readonly #manual: boolean;

  constructor(manual: boolean) {
    this.#manual = manual;
  }

  send(message: Buffer | string): void {
    if (this.closed !== undefined) return;
    this.peer.inbox.push(typeof message === "string" ? message : Buffer.from(message));
    this.peer.#schedule();
  }

  cork(): void {}
  uncork(): void {}

  ping(): void {
    if (this.closed === undefined && this.peer.closed === undefined) {
      setImmediate(() => this.handler?.onPong?.());
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  close(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    // Messages that were sent before the close still arrive.
    this.#end(code, reason);
    setImmediate(() => {
      this.peer.deliverAll();
      this.peer.#end(code, reason);
    });
  }

  terminate(): void {
    this.#end(1006, "");
    this.peer.#end(1006, "");
  }

  /** Delivers one waiting message; false when there was none. */
  deliver(): boolean {
    if (this.handler === undefined || this.closed !== undefined || this.#paused) return false;
    const message = this.inbox.shift();
    if (message === undefined) return false;
    this.handler.onMessage(message);
    return true;
  }

  /** Delivers all waiting messages. */
  deliverAll(): void {
    while (this.deliver());
  }

  #schedule(): void {
    if (this.#manual || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.deliverAll();
    });
  }

  #end(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    const handler = this.handler;
    this.handler = undefined;
    handler?.onClose(code, reason);
  }
}
