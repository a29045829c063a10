/** One event of a stream, as it was written. */
export interface ReadEvent {
  readonly id: string | undefined;
  readonly data: string;
}

/** Reads the body of a response of type `text/event-stream` event by event, no sooner than it is asked to. */
export class EventReader {
  /** The id of the last event that was read. */
  lastEventId: string | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    if (response.headers.get("Content-Type") !== "text/event-stream") {
      throw new Error(`${response.status} ${response.headers.get("Content-Type")} is no stream of events`);
    }
    this.#reader = response.body!.getReader();
  }

  /** The next event with data. `undefined` at the end of the stream. Comments are left out. */
  async next(): Promise<ReadEvent | undefined> {
    for (;;) {
      const event = await this.any();
      if (event === undefined || event.data !== "") return event;
    }
  }

  /** The next event, even one without data. */
  async any(): Promise<ReadEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end === -1) {
        const { done, value } = await this.#reader.read();
        if (done) return undefined;
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const lines = this.#text.slice(0, end).split("\n");
      this.#text = this.#text.slice(end + 2);
      const id = lines.find((line) => line.startsWith("id: "))?.slice(4);
      if (id !== undefined) this.lastEventId = id;
      const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
      if (id !== undefined || data !== undefined) return { id, data: data ?? "" };
    }
  }

  /** All data up to the end of the stream. */
  async rest(): Promise<string[]> {
    const data: string[] = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) data.push(event.data);
    return data;
  }

  /** The visitor leaves. */
  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}
