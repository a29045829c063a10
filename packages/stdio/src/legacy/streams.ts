import type { ResolvedStdioOptions } from "../options.js";
import type { Unread } from "../http/unread.js";
import { EventStore, parseEventId, type Event } from "./event-store.js";
import { ResumableStream, type ResumableStreamOwner } from "./resumable-stream.js";

/** A stream that a visitor comes back to, and what it has missed of it. */
interface Resumption {
  readonly stream: ResumableStream;
  readonly missed: readonly Event[];
}

/** The streams of a session that a visitor may come back to, with their events. */
export class SessionStreams {
  readonly #keepAliveMs: number;
  readonly #unread: Unread;
  readonly #streams = new Map<string, ResumableStream>();
  readonly #store: EventStore<ResumableStream>;
  #count = 0;

  constructor({ maxKeptMessages, maxKeptBytes, keepAliveMs }: ResolvedStdioOptions, unread: Unread) {
    this.#keepAliveMs = keepAliveMs;
    this.#unread = unread;
    this.#store = new EventStore(maxKeptMessages, maxKeptBytes, (stream) => {
      if (stream.isFinished) this.#streams.delete(stream.id);
    });
  }

  /** Makes a stream. The first has the id `0`. */
  add(owner: ResumableStreamOwner): ResumableStream {
    const id = (this.#count++).toString(36);
    const stream = new ResumableStream(id, this.#store, this.#keepAliveMs, this.#unread, owner);
    this.#streams.set(id, stream);
    return stream;
  }

  /** Ends a stream. It is known as long as its latest event is kept. */
  finish(stream: ResumableStream): void {
    stream.finish();
    if (!this.#store.has(stream)) this.#streams.delete(stream.id);
  }

  /**
   * What a `Last-Event-ID` asks for. `undefined`: it is unknown, or events are missing that came after it.
   */
  find(lastEventId: string): Resumption | undefined {
    const id = parseEventId(lastEventId);
    const stream = id === undefined ? undefined : this.#streams.get(id.stream);
    if (id === undefined || stream === undefined) return undefined;
    const missed = this.#store.after(stream, id.number);
    return missed === undefined ? undefined : { stream, missed };
  }
}
