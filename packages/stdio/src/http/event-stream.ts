import { Buffer } from "node:buffer";

/** Bytes that may wait for a visitor before {@link EventStream.send} asks for a pause. */
const highWaterBytes = 1_048_576;

export interface EventStreamOwner {
  /** The visitor has taken what waited: more may be sent. */
  onTaken(): void;
  /** The visitor is gone, or wants no more. It is not called after `end`. */
  onGone(): void;
}

/**
 * The body of a response of type `text/event-stream` (WHATWG HTML, "Server-sent events"), one message an event.
 * A comment is sent after each pause of `keepAliveMs`: it keeps proxies from giving the connection up, and it
 * finds out whether the visitor is still there.
 */
export class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #owner: EventStreamOwner;
  readonly #keepAliveMs: number;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  #isFull = false;

  constructor(owner: EventStreamOwner, keepAliveMs: number) {
    this.#owner = owner;
    this.#keepAliveMs = keepAliveMs;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#onPull(),
        cancel: () => this.#onCancel(),
      },
      { highWaterMark: highWaterBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
    this.#rest();
  }

  /**
   * Sends one event. `data`: the text of a message, on one line. False asks for a pause until `onTaken`; a
   * message that is sent all the same waits with the others.
   */
  send(data: string, eventId?: string): boolean {
    return this.#write(`event: message\n${eventId === undefined ? "" : `id: ${eventId}\n`}data: ${data}\n\n`);
  }

  /** Gives the visitor an id from which the stream can be resumed, before there is a message. */
  prime(eventId: string): void {
    this.#write(`id: ${eventId}\ndata: \n\n`);
  }

  /** Bytes that wait for the visitor. */
  get backlog(): number {
    return Math.max(0, highWaterBytes - (this.#controller?.desiredSize ?? highWaterBytes));
  }

  /** Ends the stream behind what has been sent. Nothing is reported any more. */
  end(): void {
    const controller = this.#leave();
    controller?.close();
  }

  #write(text: string): boolean {
    const controller = this.#controller;
    if (controller === undefined) return true;
    controller.enqueue(Buffer.from(text));
    this.#isFull = (controller.desiredSize ?? 1) <= 0;
    this.#rest();
    return !this.#isFull;
  }

  #rest(): void {
    if (this.#keepAlive === undefined) {
      this.#keepAlive = setTimeout(() => this.#onKeepAlive(), this.#keepAliveMs);
    } else this.#keepAlive.refresh();
  }

  #onKeepAlive(): void {
    // A visitor who takes nothing gets no comments either: they would pile up.
    if (this.backlog === 0) this.#write(": keepalive\n\n");
    else this.#rest();
  }

  #onPull(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#owner.onTaken();
  }

  #onCancel(): void {
    if (this.#leave() !== undefined) this.#owner.onGone();
  }

  #leave(): ReadableStreamDefaultController<Uint8Array> | undefined {
    const controller = this.#controller;
    this.#controller = undefined;
    clearTimeout(this.#keepAlive);
    return controller;
  }
}

/** The fields of a response whose body is an {@link EventStream}. */
export const eventStreamHeaders = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-cache, no-transform",
  // nginx would gather the events otherwise.
  "X-Accel-Buffering": "no",
} as const;
