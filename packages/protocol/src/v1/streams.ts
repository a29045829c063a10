import { StreamReset } from "../errors.js";
import type { SessionHandler } from "../tunnel.js";
import { longRttMs } from "./flight-limit.js";
import type { FramePort } from "./ports.js";
import type { StreamPort, V1Stream } from "./stream.js";
import { StreamTable } from "./stream-table.js";

const maxWindow = 33_554_432;
/** What is added to a stream's window at its beginning, at least: for less no frame is sent. */
const leastFirstExtra = 262_144;

/** The part of a session that its streams use. */
export interface StreamsOwner {
  /** The shortest round trip of the link in milliseconds, while there is a link and once it is measured. */
  readonly minRttMs: number | undefined;
  /** A stream is over. */
  onStreamFinished(): void;
}

/** Limits of all streams of a session together, in bytes. */
export interface StreamsLimits {
  maxQueuedBytes: number;
  maxWindowGrowthBytes: number;
}

/**
 * The streams of a session, and the memory that they share: for bytes that wait to be passed on, and for
 * wider windows.
 */
export class Streams implements StreamPort {
  readonly sender: FramePort;
  readonly #owner: StreamsOwner;
  readonly #handler: SessionHandler;
  readonly #maxQueuedBytes: number;
  readonly #maxWindowGrowthBytes: number;
  readonly #open = new StreamTable();
  /**
   * Streams that are finished for the peer, but have not passed everything on. The set is made with its first
   * use: most tunnels never need it.
   */
  #lingering: Set<V1Stream> | undefined;
  #queuedBytes = 0;
  #windowGrowth = 0;
  /** How wide the window of the stream had to become whose window has grown last. */
  #lastWindow = 0;

  constructor(sender: FramePort, owner: StreamsOwner, handler: SessionHandler, limits: StreamsLimits) {
    this.sender = sender;
    this.#owner = owner;
    this.#handler = handler;
    this.#maxQueuedBytes = limits.maxQueuedBytes;
    this.#maxWindowGrowthBytes = limits.maxWindowGrowthBytes;
  }

  /** Number of open streams. */
  get size(): number {
    return this.#open.size;
  }

  /** Received bytes that have not been passed on, over all streams, and 256 for each chunk of them. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The stream with this id, while it is open. */
  get(id: number): V1Stream | undefined {
    return this.#open.get(id);
  }

  add(stream: V1Stream): void {
    this.#open.add(stream);
  }

  /** Tells every stream that the session is over. */
  fail(reason: StreamReset): void {
    for (const stream of this.#open.toArray()) {
      try {
        stream.fail(reason);
      } catch (thrown) {
        this.#handler.onFault?.(thrown);
      }
    }
  }

  // ---- what the streams ask for

  fault(stream: V1Stream, error: unknown): void {
    this.#handler.onFault?.(error);
    this.cut(stream, new StreamReset("internal", "internal error"));
  }

  cut(stream: V1Stream, reason: StreamReset): void {
    // A stream that lingers is finished, but its handler still has to be told.
    if (stream.finished && stream.queuedBytes === 0) return;
    stream.reset(reason.code, reason.message);
    // The handler is not told at once: this may be inside a call of the handler, or before the stream has its
    // handler.
    queueMicrotask(() => {
      try {
        stream.tellReset(reason);
      } catch (error) {
        this.#handler.onFault?.(error);
      }
    });
  }

  finished(stream: V1Stream, extraWindow: number): void {
    this.#open.delete(stream);
    this.sender.forget(stream);
    if (stream.queuedBytes > 0) {
      this.#lingering ??= new Set();
      this.#lingering.add(stream);
    }
    this.#windowGrowth -= extraWindow;
    this.#owner.onStreamFinished();
  }

  queued(stream: V1Stream, delta: number): void {
    this.#queuedBytes += delta;
    if (delta < 0) {
      if (stream.queuedBytes === 0) this.#lingering?.delete(stream);
      return;
    }
    if (this.#queuedBytes <= this.#maxQueuedBytes) return;
    this.cut(
      this.#fattest(stream),
      new StreamReset("overloaded", "too many bytes are queued on this tunnel"),
    );
    this.#handler.onOverloaded?.();
  }

  /** The stream that holds the most, of the group that holds the most. `newest` has just got more. */
  #fattest(newest: V1Stream): V1Stream {
    const streams = new Set([newest, ...this.#open.toArray(), ...(this.#lingering ?? [])]);
    const held = new Map<unknown, number>();
    for (const { handler, queuedBytes } of streams) {
      held.set(handler.group, (held.get(handler.group) ?? 0) + queuedBytes);
    }
    const most = Math.max(...held.values());
    let fattest: V1Stream | undefined;
    for (const stream of streams) {
      if (held.get(stream.handler.group) !== most) continue;
      if (fattest === undefined || stream.queuedBytes > fattest.queuedBytes) fattest = stream;
    }
    return fattest ?? newest;
  }

  extraWindow(window: number, bytes: number, elapsedMs: number): number {
    const rttMs = this.#owner.minRttMs;
    if (rttMs === undefined || elapsedMs <= 0) return 0;
    // Four times the bytes that were on the way during one round trip. While the window is the limit, the
    // rate is one window per round trip, so the window quadruples. Once it is not the limit, bandwidth x
    // delay is well below it, and the window stays.
    const wanted = Math.min(4 * (bytes / elapsedMs) * rttMs, maxWindow);
    const room = this.#maxWindowGrowthBytes - this.#windowGrowth;
    const extra = Math.floor(Math.min(wanted - window, room));
    if (extra <= 0) return 0;
    this.#windowGrowth += extra;
    this.#lastWindow = wanted;
    return extra;
  }

  firstExtraWindow(window: number): number {
    // On a short link this is not worth a frame.
    if (this.#lastWindow === 0 || (this.#owner.minRttMs ?? 0) <= longRttMs) return 0;
    // The stream may turn out to be slow, or may never use its window. So half of the growth is kept for
    // streams that have shown that they keep up, and half of the other half for the next stream.
    const share = (this.#maxWindowGrowthBytes / 2 - this.#windowGrowth) / 2;
    const extra = Math.floor(Math.min(this.#lastWindow - window, share));
    if (extra < leastFirstExtra) return 0;
    this.#windowGrowth += extra;
    return extra;
  }

  narrowed(bytes: number): void {
    this.#windowGrowth -= bytes;
  }
}
