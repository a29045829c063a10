import { resetCodes, StreamReset } from "../errors.js";
import type { ResetCode } from "../errors.js";
import { maxFields, type RawHeaders } from "../headers.js";
import type { AcceptedStream, ResponseHead, StreamHandler } from "../tunnel.js";
import { canTravel, canTravelAsHead, encodeFields, encodeReset, encodeStatus } from "./encode.js";
import { endFlag, frameTypes, maxDataBytes, maxTrailerBytes } from "./frame.js";
import type { FramePort, TurnTaker } from "./ports.js";
import { Violation } from "./violation.js";

/**
 * Bytes that a queued chunk counts beside its own, about what the chunk costs. A peer that sends single bytes
 * must not get around the limit on queued bytes.
 */
const chunkOverheadBytes = 256;
/** A read from a socket is at most this long, and so is the memory that a slice of it keeps. */
const readBytes = 65_536;

/** The part of its session's {@link Streams} that a stream uses. */
export interface StreamPort {
  readonly sender: FramePort;
  /** The stream's `queuedBytes` have become more (positive) or fewer. */
  queued(stream: V1Stream, delta: number): void;
  /** The stream's handler threw. Ends the stream and no other. */
  fault(stream: V1Stream, error: unknown): void;
  /** Cuts the stream from this end: tells the peer at once, and the handler in a later turn. */
  cut(stream: V1Stream, reason: StreamReset): void;
  /**
   * Bytes by which a stream's window may become wider than `window`, if the stream took `bytes` in
   * `elapsedMs`.
   */
  extraWindow(window: number, bytes: number, elapsedMs: number): number;
  /** Bytes by which a stream's window may be wider than `window` from its beginning. */
  firstExtraWindow(window: number): number;
  /** A stream's window has become narrower. */
  narrowed(bytes: number): void;
  finished(stream: V1Stream, extraWindow: number): void;
}

/** `ending`: the end is known, but the bytes before it are still being sent, or handed over. */
type Direction = "open" | "ending" | "ended";

/** Takes the place of a handler that is not to be called any more. */
export const silence: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };

/** One stream of a version 1 session (PROTOCOL.md, sections 3 and 5), the same on both ends. */
export class V1Stream implements AcceptedStream, TurnTaker {
  readonly id: number;
  handler: StreamHandler;
  /** The next stream in its chain of the {@link StreamTable}. */
  next: V1Stream | undefined;
  readonly #port: StreamPort;
  readonly #sender: FramePort;
  readonly #upgrade: boolean;

  // What this end sends.
  #local: Direction = "open";
  #headSent = false;
  #interimSent = false;
  #credit: number;
  #queue: Buffer[] = [];
  #trailers = "";
  #wantsDrain = false;
  #saidBlocked = false;
  /** The message of a reset with `no_error` that waits until END has been sent. */
  #resetAfterEnd: string | undefined;

  // What the peer sends.
  #remote: Direction = "open";
  #headReceived = false;
  readonly #firstWindow: number;
  #window: number;
  /** Bytes that the peer may still send. */
  #granted: number;
  #unconsumed = 0;
  /** {@link chunkOverheadBytes} of the chunks in `#unconsumed`. */
  #overhead = 0;
  /** Bytes of the peer's head that count as queued. */
  #headBytes = 0;
  #toReturn = 0;
  #epochBytes = 0;
  #epochStart: number | undefined;

  #done = false;

  constructor(
    id: number,
    port: StreamPort,
    handler: StreamHandler,
    windows: { send: number; receive: number },
    upgrade: boolean,
  ) {
    this.id = id;
    this.#upgrade = upgrade;
    this.#port = port;
    this.#sender = port.sender;
    this.handler = handler;
    this.#credit = windows.send;
    this.#firstWindow = windows.receive;
    this.#window = windows.receive;
    this.#granted = windows.receive;
  }

  /** Sets the handler of an accepted stream, unless a reset with `no_error` already waits for END. */
  accepted(handler: StreamHandler): void {
    if (this.#resetAfterEnd === undefined) this.handler = handler;
  }

  get finished(): boolean {
    return this.#done;
  }

  /** The stream's part of the session's `queuedBytes`. */
  get queuedBytes(): number {
    return this.#unconsumed + this.#overhead + this.#headBytes;
  }

  /** Counts the peer's head as queued until the stream is finished. The stream may be finished at once. */
  holdHead(bytes: number): void {
    this.#headBytes = bytes;
    this.#port.queued(this, bytes);
  }

  // ---- sending

  sendInterim(head: ResponseHead): void {
    if (this.#done || this.#headSent || this.#local !== "open") return;
    // Interim heads are dropped when there is no room. Otherwise a service that sends them without end would
    // end the session, because they cannot wait. The first one may be a 100 for which the body waits, and
    // there are no more first ones than streams.
    if (this.#interimSent && !this.#sender.hasRoom) return;
    this.#interimSent = true;
    const fields = encodeFields(head.headers);
    if (head.status >= 200 || head.status === 101 || !canTravelAsHead(fields, head)) {
      this.#cannotTravel("interim response head");
    } else this.#sender.text(frameTypes.interim, this.id, encodeStatus(head), fields);
  }

  sendHead(head: ResponseHead, end = false): void {
    if (this.#done || this.#headSent || this.#local !== "open") return;
    const fields = encodeFields(head.headers);
    if (!(head.status >= 200 || (head.status === 101 && this.#upgrade)) || !canTravelAsHead(fields, head)) {
      this.#cannotTravel("response head");
      return;
    }
    this.#headSent = true;
    const type = end ? frameTypes.response | endFlag : frameTypes.response;
    this.#sender.text(type, this.id, encodeStatus(head), fields);
    if (end) this.#localEnded();
  }

  write(chunk: Buffer): boolean {
    if (this.#done || this.#local !== "open" || chunk.length === 0) return true;
    const rest = this.#queue.length > 0 ? chunk : this.#send(chunk);
    if (rest === undefined && this.#credit > 0) return true;
    if (rest !== undefined) this.#queue.push(rest);
    this.#wantsDrain = true;
    if (this.#credit === 0) this.#sayBlocked();
    else this.#sender.awaitTurn(this);
    return false;
  }

  end(trailers?: RawHeaders): void {
    if (this.#done || this.#local !== "open") return;
    const text = trailers === undefined ? "" : encodeFields(trailers);
    if (trailers !== undefined && trailers.length > 0 && !canTravel(text, 0, trailers, maxTrailerBytes)) {
      this.#cannotTravel("trailer section");
      return;
    }
    this.#local = "ending";
    this.#trailers = text;
    if (this.#queue.length === 0) this.#sendEnd();
  }

  reset(code: ResetCode, message = ""): void {
    if (this.#done) {
      this.#dropUnconsumed();
      return;
    }
    if (code === "no_error" && this.#local === "ending") {
      // The reset comes after the END that is still in the queue. Before the END it would cut the body, which
      // it has to leave whole.
      this.handler = silence;
      this.#resetAfterEnd = message;
      return;
    }
    this.#sender.bytes(frameTypes.reset, this.id, encodeReset(resetCodes[code], message));
    this.#finish(true);
  }

  fault(error: unknown): void {
    this.#port.fault(this, error);
  }

  /**
   * The session grants a turn. Sends `budget` bytes or a little more. Returns true when there is more to send
   * than that.
   */
  pump(budget: number): boolean {
    let left = budget;
    for (let chunk = this.#queue[0]; chunk !== undefined && left > 0; chunk = this.#queue[0]) {
      const sent = this.#sendPart(chunk, budget);
      if (sent === 0) break;
      left -= sent;
      if (sent < chunk.length) this.#queue[0] = chunk.subarray(sent);
      else this.#queue.shift();
    }
    if (this.#credit === 0 && (this.#queue.length > 0 || (this.#wantsDrain && this.#local === "open"))) {
      this.#sayBlocked();
      return false;
    }
    if (this.#queue.length > 0) return true;
    if (this.#local === "ending") {
      this.#sendEnd();
    } else if (this.#wantsDrain) {
      if (!this.#sender.canSendData(0)) return true;
      this.#wantsDrain = false;
      this.handler.onDrain?.();
    }
    return false;
  }

  /** Sends as much of the chunk as there is credit and room for; returns the rest. */
  #send(chunk: Buffer): Buffer | undefined {
    for (let rest = chunk; ; ) {
      const sent = this.#sendPart(rest, maxDataBytes);
      if (sent === rest.length) return undefined;
      if (sent === 0) return rest;
      rest = rest.subarray(sent);
    }
  }

  /** Sends one frame with as much of the chunk as there is credit and room for; returns how much that is. */
  #sendPart(chunk: Buffer, most: number): number {
    const size = Math.min(chunk.length, this.#credit, most);
    if (size === 0 || !this.#sender.canSendData(chunk.length)) return 0;
    this.#credit -= size;
    this.#sender.bytes(frameTypes.data, this.id, size === chunk.length ? chunk : chunk.subarray(0, size));
    return size;
  }

  #sendEnd(): void {
    const trailers = this.#trailers;
    if (trailers !== "" || !this.#sender.markEnd(this.id))
      this.#sender.text(frameTypes.end, this.id, trailers);
    const isFlushDue = this.#wantsDrain;
    this.#wantsDrain = false;
    this.#localEnded();
    if (this.#resetAfterEnd !== undefined) this.reset("no_error", this.#resetAfterEnd);
    if (isFlushDue) this.handler.onFlushed?.();
  }

  #cannotTravel(what: string): void {
    const why = `the ${what} cannot travel: too large, more than ${maxFields} fields, or not HTTP`;
    this.#port.cut(this, new StreamReset("bad_message", why));
  }

  /** The END of this end's direction is on its way: the session has sent a REQUEST without a body. */
  localEndSent(): void {
    this.#localEnded();
  }

  #localEnded(): void {
    this.#local = "ended";
    if (this.#remote === "ended") this.#finish(false);
  }

  #sayBlocked(): void {
    if (this.#saidBlocked) return;
    this.#saidBlocked = true;
    this.#sender.text(frameTypes.blocked, this.id, "");
  }

  // ---- receiving

  consumed(bytes: number): void {
    const taken = Math.min(bytes, this.#unconsumed);
    if (taken <= 0) return;
    const overhead = Math.ceil((this.#overhead * taken) / this.#unconsumed);
    this.#unconsumed -= taken;
    this.#overhead -= overhead;
    this.#port.queued(this, -taken - overhead);
    if (this.#done || this.#remote !== "open") return;
    this.#toReturn += taken;
    if (this.#window > this.#firstWindow && this.#unconsumed * 2 > this.#window) this.#narrow();
    // In lots of the first window also when the window has become wider: a window that is returned in halves
    // must be twice as wide as what the link holds.
    if (this.#toReturn * 2 >= this.#firstWindow) this.#returnCredit(0);
  }

  /**
   * More than half of a wide window is queued here, so the visitor holds the peer back, and half of the
   * window is enough. What the visitor takes then is not returned to the peer.
   */
  #narrow(): void {
    const bytes = Math.min(this.#toReturn, this.#window - this.#firstWindow);
    this.#toReturn -= bytes;
    this.#window -= bytes;
    this.#port.narrowed(bytes);
  }

  /**
   * Begins with the window that the session's streams have needed lately, because to learn it again would
   * take a round trip. The peer must know of the stream.
   */
  startWide(): void {
    // An upgraded connection lasts long and seldom carries much.
    if (this.#done || this.#remote !== "open" || this.#upgrade) return;
    const extra = this.#port.firstExtraWindow(this.#window);
    this.#window += extra;
    this.#returnCredit(extra);
  }

  #returnCredit(extra: number): void {
    const bytes = this.#toReturn + extra;
    this.#toReturn = 0;
    if (bytes === 0) return;
    this.#granted += bytes;
    this.#sender.number(frameTypes.credit, this.id, bytes);
  }

  receiveHead(head: ResponseHead, end: boolean): void {
    if (this.#headReceived || this.#remote !== "open") throw violation(this.id, "a second RESPONSE");
    if (head.status === 101 && !this.#upgrade) throw violation(this.id, "a 101 that was not asked for");
    this.#headReceived = true;
    if (end) this.#remote = "ending";
    this.handler.onHead?.(head, end);
    if (end) this.#remoteEnded([]);
  }

  receiveInterim(head: ResponseHead): void {
    if (this.#headReceived || this.#remote !== "open") throw violation(this.id, "INTERIM after RESPONSE");
    this.handler.onInterim?.(head);
  }

  /** `headNeeded`: the sender must have sent its head before. */
  receiveData(payload: Buffer, end: boolean, headNeeded: boolean): void {
    if (this.#remote !== "open") throw violation(this.id, "DATA after END");
    if (headNeeded && !this.#headReceived) throw violation(this.id, "DATA before RESPONSE");
    if (payload.length > 0) this.#receiveBytes(payload, end);
    else if (!end) throw violation(this.id, "empty DATA");
    if (end) this.#remoteEnded([]);
  }

  #receiveBytes(payload: Buffer, last: boolean): void {
    if (payload.length > this.#granted) throw violation(this.id, "more DATA than there was credit for");
    const isBacklog = this.#unconsumed > 0 || payload.buffer.byteLength > readBytes;
    this.#granted -= payload.length;
    this.#unconsumed += payload.length;
    this.#overhead += chunkOverheadBytes;
    this.#epochBytes += payload.length;
    this.#epochStart ??= performance.now();
    if (last) this.#remote = "ending";
    this.#port.queued(this, payload.length + chunkOverheadBytes);
    if (this.#done) return;
    this.handler.onData(isBacklog ? compact(payload) : payload, last);
  }

  receiveEnd(trailers: RawHeaders, headNeeded: boolean): void {
    if (this.#remote !== "open") throw violation(this.id, "a second END");
    if (headNeeded && !this.#headReceived) throw violation(this.id, "END before RESPONSE");
    this.#remoteEnded(trailers);
  }

  /**
   * The direction counts as ended only now. If it counted before, an answer given while the last bytes are
   * handed over would finish the stream before `onEnd`.
   */
  #remoteEnded(trailers: RawHeaders): void {
    if (this.#done) return;
    this.#remote = "ended";
    this.handler.onEnd(trailers);
    if (this.#local === "ended") this.#finish(false);
  }

  receiveCredit(bytes: number): void {
    if (bytes === 0) throw violation(this.id, "CREDIT of nothing");
    this.#credit += bytes;
    if (this.#credit > 0x7fffffff) throw violation(this.id, "more credit than 2^31-1");
    this.#saidBlocked = false;
    if (this.#wantsDrain || this.#queue.length > 0) this.#sender.awaitTurn(this);
  }

  /**
   * The peer ran out of credit. If this end kept up, the window holds the peer back, and it grows toward the
   * link's bandwidth x delay. If data is queued here, the visitor holds the peer back, and the window does
   * not grow.
   */
  receiveBlocked(): void {
    if (this.#remote !== "open") throw violation(this.id, "BLOCKED after END");
    const bytes = this.#epochBytes;
    // A few bytes may come as a burst, which is faster than the link.
    if (bytes * 2 < this.#firstWindow) return;
    const now = performance.now();
    const elapsedMs = now - (this.#epochStart ?? now);
    this.#epochStart = now;
    this.#epochBytes = 0;
    if (this.#unconsumed * 4 > this.#window) return;
    const extra = this.#port.extraWindow(this.#window, bytes, elapsedMs);
    this.#window += extra;
    this.#returnCredit(extra);
  }

  receiveReset(reason: StreamReset): void {
    // After a complete response `no_error` only says that no more of the request is wanted, so received bytes
    // stay.
    this.#finish(!(reason.code === "no_error" && this.#remote === "ended"));
    this.tellReset(reason);
  }

  /** Tells the handler of the reset, which is its last callback. */
  tellReset(reason: StreamReset): void {
    const { handler } = this;
    this.handler = silence;
    handler.onReset(reason);
  }

  /** The session is over. */
  fail(reason: StreamReset): void {
    this.receiveReset(reason);
  }

  #dropUnconsumed(): void {
    const dropped = this.#unconsumed + this.#overhead;
    this.#unconsumed = 0;
    this.#overhead = 0;
    if (dropped > 0) this.#port.queued(this, -dropped);
  }

  /** `cut`: received bytes that have not been passed on will not be. */
  #finish(cut: boolean): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#queue.length > 0) this.#queue = [];
    this.#wantsDrain = false;
    if (cut) this.#dropUnconsumed();
    const headBytes = this.#headBytes;
    this.#headBytes = 0;
    if (headBytes > 0) this.#port.queued(this, -headBytes);
    this.#port.finished(this, this.#window - this.#firstWindow);
  }
}

/**
 * Copies a chunk that is only a small part of the bytes that were read with it. As a slice it would keep all
 * of them in memory, but credit counts only the chunk's own bytes. A stream whose chunks are passed on as
 * they come needs no copies.
 */
function compact(chunk: Buffer): Buffer {
  if (chunk.length * 4 >= chunk.buffer.byteLength) return chunk;
  // Not from Node's pool: a single byte would keep a whole slab of it (64 KiB since Node 24) as well.
  const copy = Buffer.allocUnsafeSlow(chunk.length);
  chunk.copy(copy);
  return copy;
}

function violation(streamId: number, what: string): Violation {
  return new Violation(`${what} on stream ${streamId}`);
}
