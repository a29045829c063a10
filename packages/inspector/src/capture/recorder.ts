import type { RequestHead } from "mcp-tunnel-protocol";
import type { ExchangeObserver, ObserveExchange, RefusedEvent, ServedTunnel } from "mcp-tunnel-client";
import type { Captured, CaptureListener, Ring } from "../captured.js";
import { type Beginning, Entry } from "./entry.js";
import { Load } from "./load.js";
import { EntryRing } from "./ring.js";
import { begun } from "./telling.js";

export interface RecorderOptions {
  /** Bytes that all entries may take together. */
  readonly maxBytes: number;
  /** Entries that are kept. */
  readonly maxExchanges: number;
}

/** Captures exchanges, and tells listeners of them. It holds up nothing, and gives way under load. */
export class Recorder {
  readonly #ring: EntryRing;
  /** Called when `paused` or `missed` has changed, and after `clear`. It is called often under load. */
  onChange: (() => void) | undefined;
  readonly #load = new Load(() => this.onChange?.());
  #paused = false;
  /** The newest exchange, if it was not captured. */
  #uncapturedOf: ServedTunnel | undefined;
  #uncapturedStream = 0;

  constructor({ maxBytes, maxExchanges }: RecorderOptions, listeners: readonly CaptureListener[]) {
    this.#ring = new EntryRing({ maxBytes, maxEntries: maxExchanges }, listeners);
  }

  get ring(): Ring {
    return this.#ring;
  }

  /** The option `observeExchange` of a client. */
  readonly observe: ObserveExchange = this.observerOf(undefined);

  /** The same for the client of a tunnel that has a name. */
  observerOf(name: string | undefined): ObserveExchange {
    return (start) => {
      if (this.#paused || !this.#load.takeExchange()) {
        this.#uncapturedOf = start.tunnel;
        this.#uncapturedStream = start.streamId;
        return undefined;
      }
      this.#uncapturedOf = undefined;
      return this.#begin(name === undefined ? start : { ...start, name });
    };
  }

  /** Nothing new is captured. What is open goes on. Replays are captured all the same. */
  get paused(): boolean {
    return this.#paused;
  }

  set paused(paused: boolean) {
    this.#paused = paused;
    this.onChange?.();
  }

  /**
   * Exchanges that were not captured, and bodies of which something was not, because too much came at once.
   */
  get missed(): { readonly exchanges: number; readonly bodies: number } {
    return this.#load.missed;
  }

  /**
   * A replay of the entry `replayOf` begins, which is of the tunnel `name`. Whoever sends it tells the
   * observer of it.
   */
  begin(head: RequestHead, replayOf: number, name?: string): { entry: Captured; observer: ExchangeObserver } {
    const entry = this.#begin({ head, replayOf, name, startedAtMs: performance.now() });
    return { entry, observer: entry };
  }

  /** The service gets `head` on that stream. It may be the head that was observed. */
  passed(tunnel: ServedTunnel, streamId: number, head: RequestHead): void {
    if (this.#uncapturedOf === tunnel && this.#uncapturedStream === streamId) return;
    this.#ring.findOpen(tunnel, streamId)?.passed(head);
  }

  /**
   * The relay has refused requests, for the tunnel `name`. Listeners are told that an entry has begun, and of
   * nothing else.
   */
  refused(event: RefusedEvent, name?: string): void {
    if (this.#paused) return;
    const { method, path } = event;
    this.#begin({
      head: { method, path, headers: [] },
      refusal: event,
      name,
      startedAtMs: performance.now(),
    });
  }

  /** Drops all entries, those of open exchanges too. */
  clear(): void {
    this.#ring.clear();
    this.onChange?.();
  }

  #begin(beginning: Beginning): Entry {
    const entry = new Entry(this.#ring, this.#load, beginning);
    this.#ring.add(entry);
    this.#ring.tell(begun, entry, undefined);
    return entry;
  }
}
