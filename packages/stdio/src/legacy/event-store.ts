import { Buffer } from "node:buffer";

/** An event with its id and the text of its message, which is empty if it has none. */
export interface Event {
  readonly id: string;
  readonly text: string;
}

/** A stream as the store sees it. */
export interface NumberedStream {
  readonly id: string;
  /** The number of its latest event. */
  readonly last: number;
}

interface KeptEvent<Stream> extends Event {
  readonly stream: Stream;
  readonly bytes: number;
}

/**
 * The latest events of all streams of a session, for visitors who resume a stream (Streamable HTTP,
 * "Resumability and Redelivery"). The id of an event is `<stream>-<number>`, so that it names its stream, and
 * a gap is noticed.
 */
export class EventStore<Stream extends NumberedStream> {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #onForgotten: (stream: Stream) => void;
  /** By id, the oldest first. */
  readonly #events = new Map<string, KeptEvent<Stream>>();
  #bytes = 0;

  /** `onForgotten`: the latest event of a stream is no longer there, and so none of it is. */
  constructor(maxEvents: number, maxBytes: number, onForgotten: (stream: Stream) => void) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
    this.#onForgotten = onForgotten;
  }

  /** Keeps the event that has just become the stream's latest. The oldest events make room for it. */
  keep(stream: Stream, text: string): void {
    const id = eventId(stream, stream.last);
    const bytes = Buffer.byteLength(text);
    this.#events.set(id, { id, text, stream, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#events.values()) {
      if (this.#events.size <= this.#maxEvents && this.#bytes <= this.#maxBytes) return;
      this.#events.delete(oldest.id);
      this.#bytes -= oldest.bytes;
      if (oldest.stream.last === numberOf(oldest.id)) this.#onForgotten(oldest.stream);
    }
  }

  /** Whether the stream's latest event is there. */
  has(stream: Stream): boolean {
    return this.#events.has(eventId(stream, stream.last));
  }

  /** The events of a stream after one of them. `undefined`: not all of them are there. */
  after(stream: Stream, number: number): readonly Event[] | undefined {
    if (number > stream.last) return undefined;
    const events: Event[] = [];
    for (let next = number + 1; next <= stream.last; next++) {
      const event = this.#events.get(eventId(stream, next));
      if (event === undefined) return undefined;
      events.push(event);
    }
    return events;
  }
}

export function eventId(stream: NumberedStream, number: number): string {
  return `${stream.id}-${number}`;
}

/** The stream and the number of an event's id. `undefined`: it is no such id. */
export function parseEventId(id: string): { readonly stream: string; readonly number: number } | undefined {
  const [, stream, number] = /^([0-9a-z]{1,12})-(\d{1,15})$/.exec(id) ?? [];
  return stream === undefined ? undefined : { stream, number: Number(number) };
}

function numberOf(id: string): number {
  return Number(id.slice(id.indexOf("-") + 1));
}
