import { EventStream } from "../http/event-stream.js";
import type { Unread } from "../http/unread.js";
import { eventId, type Event, type EventStore, type NumberedStream } from "./event-store.js";

export interface ResumableStreamOwner {
  /** More waits for the visitor than should. `onTaken` follows in any case. */
  onFull(stream: ResumableStream): void;
  onTaken(stream: ResumableStream): void;
  /** The visitor has left, or was cut off. It may come back. */
  onGone(stream: ResumableStream): void;
}

/**
 * A stream of a session: a visitor's GET, or the answer to its POST. It outlives its connection, because a
 * visitor who leaves may come back with the id of the last event that it got. Meanwhile its events are kept.
 */
export class ResumableStream implements NumberedStream {
  readonly id: string;
  readonly #store: EventStore<ResumableStream>;
  readonly #keepAliveMs: number;
  readonly #unread: Unread;
  readonly #owner: ResumableStreamOwner;
  #connection: EventStream | undefined;
  #isFull = false;
  #last = 0;
  #isFinished = false;

  /** `id`: digits and small letters. */
  constructor(
    id: string,
    store: EventStore<ResumableStream>,
    keepAliveMs: number,
    unread: Unread,
    owner: ResumableStreamOwner,
  ) {
    this.id = id;
    this.#store = store;
    this.#keepAliveMs = keepAliveMs;
    this.#unread = unread;
    this.#owner = owner;
  }

  /** The number of the latest event. 0 is before the first message. */
  get last(): number {
    return this.#last;
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** More waits for the visitor than should. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** There will be no more events. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  send(text: string): void {
    this.#last++;
    this.#store.keep(this, text);
    this.#write({ id: eventId(this, this.#last), text });
  }

  /**
   * Gives the stream a connection, and the body of its response. The connection that it had ends. `isPrimed`:
   * the visitor takes an event without data, which says from where it can resume.
   */
  connect(isPrimed: boolean): ReadableStream<Uint8Array> {
    const connection = this.#connect();
    if (isPrimed) {
      // The priming event of a stream that nothing was sent on counts as an event: a visitor who comes back
      // with its id is known, even if the stream has ended without a message.
      if (this.#last === 0) this.#store.keep(this, "");
      connection.prime(eventId(this, this.#last));
    }
    return connection.body;
  }

  /** The same for a visitor who comes back, and who is sent what it has missed. */
  resume(missed: readonly Event[]): ReadableStream<Uint8Array> {
    const connection = this.#connect();
    for (const event of missed) this.#write(event);
    if (this.#isFinished) this.#disconnect();
    return connection.body;
  }

  /** Ends the connection behind what has been sent. The visitor may come back. */
  cut(): void {
    this.#disconnect();
    this.#owner.onGone(this);
  }

  /** Ends the stream: there will be no more events. */
  finish(): void {
    this.#isFinished = true;
    this.#disconnect();
  }

  #connect(): EventStream {
    this.#disconnect();
    const connection = new EventStream(
      {
        onTaken: () => this.#onTaken(),
        onGone: () => {
          this.#disconnect();
          this.#owner.onGone(this);
        },
        onStalled: () => this.cut(),
      },
      this.#keepAliveMs,
      this.#unread,
    );
    this.#connection = connection;
    return connection;
  }

  #write({ id, text }: Event): void {
    const sent = this.#connection?.send(text, id);
    // An event after one that is missing would have the visitor believe that it has both.
    if (sent === "refused") this.cut();
    if (sent !== "full" || this.#isFull) return;
    this.#isFull = true;
    this.#owner.onFull(this);
  }

  #disconnect(): void {
    this.#connection?.end();
    this.#connection = undefined;
    this.#onTaken();
  }

  #onTaken(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#owner.onTaken(this);
  }
}
