import type { AcceptedStream } from "mcp-tunnel-protocol";

interface Waiting {
  resolve(result: IteratorResult<Buffer, undefined>): void;
  reject(error: Error): void;
}

/**
 * A request body between a stream, which pushes, and undici, which pulls. undici asks for the next chunk when
 * it has written the one before and the socket has drained. So credit goes back exactly as fast as the local
 * service reads. The stream's window bounds the bytes that are queued here.
 */
export class RequestBody implements AsyncIterableIterator<Buffer, undefined> {
  readonly #stream: AcceptedStream;
  #queue: Buffer[] = [];
  /**
   * The earlier queue, from which chunks are taken. `shift` would move all of a long array for each chunk.
   */
  #leaving: (Buffer | undefined)[] = [];
  #taken = 0;
  /** Bytes of the chunk that undici has taken, until it asks for the next one. */
  #lent = 0;
  #ended = false;
  #abandoned = false;
  #error: Error | undefined;
  #waiting: Waiting | undefined;

  constructor(stream: AcceptedStream) {
    this.#stream = stream;
  }

  push(chunk: Buffer): void {
    if (this.#abandoned) {
      this.#stream.consumed(chunk.length);
      return;
    }
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#queue.push(chunk);
      return;
    }
    this.#waiting = undefined;
    this.#lent = chunk.length;
    waiting.resolve({ done: false, value: chunk });
  }

  end(): void {
    this.#ended = true;
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  /**
   * Nobody reads any more. Later bytes are dropped, and undici's loop over the body ends if it still waits.
   */
  abandon(error: Error): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    this.#error = error;
    let dropped = this.#lent;
    for (let chunk = this.#take(); chunk !== undefined; chunk = this.#take()) dropped += chunk.length;
    this.#lent = 0;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    if (dropped > 0) this.#stream.consumed(dropped);
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#lent > 0) {
      this.#stream.consumed(this.#lent);
      this.#lent = 0;
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const chunk = this.#take();
    if (chunk !== undefined) {
      this.#lent = chunk.length;
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.abandon(new Error("the request body is not wanted any more"));
    return Promise.resolve({ done: true, value: undefined });
  }

  #take(): Buffer | undefined {
    if (this.#taken === this.#leaving.length) {
      if (this.#queue.length === 0) return undefined;
      this.#leaving = this.#queue;
      this.#queue = [];
      this.#taken = 0;
    }
    const chunk = this.#leaving[this.#taken];
    this.#leaving[this.#taken++] = undefined;
    return chunk;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
