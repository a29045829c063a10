import type { CapturedEvent, CapturedEvents } from "../captured.js";
import { maxEventBytes, readingBytes } from "../limits.js";
import { EventSplitter, type SplitEvent } from "../sse/splitter.js";
import { eventCost, splitterBytes } from "./costs.js";
import type { Load } from "./load.js";
import { Newest } from "./newest.js";

/** The events of an answer that is an event stream. */
export class StreamEvents implements CapturedEvents {
  readonly #onEvent: (event: CapturedEvent) => void;
  readonly #nowMs: () => number;
  readonly #load: Load;
  readonly #newest = new Newest<CapturedEvent>(eventCost);
  #splitter: EventSplitter | undefined;
  /** Bytes were left out, so that the next event may have no beginning. */
  #isOutOfStep = false;
  /** Events were left out, because too much came at once. */
  missed = false;

  constructor(onEvent: (event: CapturedEvent) => void, nowMs: () => number, load: Load) {
    this.#onEvent = onEvent;
    this.#nowMs = nowMs;
    this.#load = load;
  }

  get kept(): readonly CapturedEvent[] {
    return this.#newest.kept;
  }

  get dropped(): number {
    return this.#newest.dropped;
  }

  /** Memory that is held. */
  get held(): number {
    return this.#newest.held + (this.#splitter === undefined ? 0 : splitterBytes + this.#splitter.pending);
  }

  push(chunk: Buffer): void {
    if (!this.#load.takeBytes(chunk.length)) {
      this.missed = true;
      this.#isOutOfStep = true;
      this.#splitter = undefined;
      return;
    }
    this.#splitter ??= new EventSplitter((event) => this.#onSplit(event), maxEventBytes);
    this.#splitter.push(chunk);
  }

  /** Nothing comes any more. An event that was not finished is none. */
  end(): void {
    this.#splitter = undefined;
  }

  #onSplit(split: SplitEvent): void {
    if (this.#isOutOfStep || !this.#load.takeBytes(readingBytes)) {
      if (!split.isComment) this.#isOutOfStep = false;
      this.missed = true;
      this.#newest.dropped += 1;
      return;
    }
    const event = { atMs: this.#nowMs(), ...split };
    this.#newest.add(event);
    this.#onEvent(event);
  }
}
