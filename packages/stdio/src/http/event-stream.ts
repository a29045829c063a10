import { tooMuchUnread } from "./answers.js";
import type { RequestId } from "../message.js";
import type { Unread } from "./unread.js";
import { UnreadBody } from "./unread-body.js";

/** Bytes that may wait for a visitor before {@link EventStream.send} asks for a pause. */
const highWaterBytes = 1_048_576;

export interface EventStreamOwner {
  /** The visitor has taken what waited: more may be sent. */
  onTaken(): void;
  /** The visitor is gone, or wants no more. It is not called after `end`. */
  onGone(): void;
  /** The visitor has taken nothing for 30 s of what waits. It is not called after `end`. */
  onStalled(): void;
}

/**
 * What became of an event.
 * - `sent`: the visitor has it, or it waits with the others
 * - `full`: it waits, and so much does that there should be a pause until `onTaken`
 * - `refused`: it is gone. Too much waits for all visitors together
 */
export type Sent = "sent" | "full" | "refused";

/**
 * The body of a response of type `text/event-stream` (WHATWG HTML, "Server-sent events"), one message an
 * event. A comment is sent after each pause of `keepAliveMs`: it keeps proxies from giving the connection up,
 * and it finds out whether the visitor is still there.
 */
export class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #unread: UnreadBody;
  readonly #owner: EventStreamOwner;
  readonly #keepAliveMs: number;
  #keepAlive: NodeJS.Timeout | undefined;
  #isFull = false;
  #isOver = false;

  constructor(owner: EventStreamOwner, keepAliveMs: number, unread: Unread) {
    this.#owner = owner;
    this.#keepAliveMs = keepAliveMs;
    this.#unread = new UnreadBody(unread, {
      onTaken: () => this.#onTaken(),
      onGone: () => {
        this.#leave();
        owner.onGone();
      },
      onStalled: () => owner.onStalled(),
    });
    this.body = this.#unread.open();
    this.#rest();
  }

  /** Sends one event. `data`: the text of a message, on one line. */
  send(data: string, eventId?: string): Sent {
    if (this.#isOver) return "sent";
    if (!this.#unread.write(eventText(data, eventId))) return "refused";
    this.#isFull = this.#unread.bytes >= highWaterBytes;
    this.#rest();
    return this.#isFull ? "full" : "sent";
  }

  /** Gives the visitor an id from which the stream can be resumed, before there is a message. */
  prime(eventId: string): void {
    this.#unread.force(`id: ${eventId}\ndata: \n\n`);
    this.#rest();
  }

  /** Ends the stream behind what has been sent. Nothing is reported any more. */
  end(): void {
    this.#leave();
    this.#unread.end();
  }

  /** Ends it behind the answer to the request `id`, or an error in its place if there is no room for it. */
  answer(id: RequestId, text: string): void {
    if (this.send(text) === "refused") this.#unread.force(eventText(tooMuchUnread(id)));
    this.end();
  }

  #rest(): void {
    if (this.#isOver) return;
    if (this.#keepAlive === undefined) {
      this.#keepAlive = setTimeout(() => this.#onKeepAlive(), this.#keepAliveMs);
    } else this.#keepAlive.refresh();
  }

  #onKeepAlive(): void {
    // A visitor who takes nothing gets no comments either: they would pile up.
    if (this.#unread.bytes === 0) this.#unread.force(": keepalive\n\n");
    this.#rest();
  }

  #onTaken(): void {
    if (!this.#isFull || this.#unread.bytes >= highWaterBytes) return;
    this.#isFull = false;
    this.#owner.onTaken();
  }

  #leave(): void {
    this.#isOver = true;
    clearTimeout(this.#keepAlive);
  }
}

function eventText(data: string, eventId?: string): string {
  return `event: message\n${eventId === undefined ? "" : `id: ${eventId}\n`}data: ${data}\n\n`;
}

/** The fields of a response whose body is an {@link EventStream}. */
export const eventStreamHeaders = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-cache, no-transform",
  // nginx would gather the events otherwise.
  "X-Accel-Buffering": "no",
} as const;
