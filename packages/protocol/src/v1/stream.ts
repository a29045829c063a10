import { resetCodes, StreamReset, TunnelError } from "../errors.js";
import type { ResetCode } from "../errors.js";
import type { RawHeaders } from "../headers.js";
import type { AcceptedStream, ResponseHead, StreamHandler } from "../tunnel.js";
import { encodeResponseHead, encodeTrailers } from "./encode.js";
import { endFlag, frameTypes, maxDataBytes, maxResetMessageBytes } from "./frame.js";

/** What a stream needs of its session. */
export interface StreamPort {
  text(typeAndFlags: number, streamId: number, payload: string): void;
  number(typeAndFlags: number, streamId: number, payload: number): void;
  bytes(typeAndFlags: number, streamId: number, payload: Buffer): void;
  /** Puts END on the last frame if it is this stream's and has not left. */
  markEnd(streamId: number): boolean;
  /** Whether the link and the memory for what is not acknowledged have room for a chunk of this size. */
  canSendData(bytes: number): boolean;
  /** Asks for a call of `pump` when there is room; streams take turns. */
  awaitTurn(stream: V1Stream): void;
  /** Bytes received and not yet passed on: more (positive) or fewer. */
  queued(delta: number): void;
  /** How much wider than `window` a stream's window may become that took `bytes` in `elapsedMs`. */
  extraWindow(window: number, bytes: number, elapsedMs: number): number;
  finished(stream: V1Stream, extraWindow: number): void;
}

type Direction = "open" | "ending" | "ended";

/** One stream of a version 1 session (PROTOCOL.md, sections 3 and 5), the same on both ends. */
export class V1Stream implements AcceptedStream {
  readonly id: number;
  handler: StreamHandler;
  readonly #port: StreamPort;

  // What this end sends.
  #local: Direction = "open";
  #headSent = false;
  #credit: number;
  #queue: Buffer[] = [];
  #trailers: RawHeaders | undefined;
  #wantsDrain = false;
  #saidBlocked = false;

  // What the peer sends.
  #remote: "open" | "ended" = "open";
  #headReceived = false;
  readonly #firstWindow: number;
  #window: number;
  /** Bytes that the peer may still send. */
  #granted: number;
  #unconsumed = 0;
  #toReturn = 0;
  #epochBytes = 0;
  #epochStart: number | undefined;

  #done = false;

  constructor(
    id: number,
    port: StreamPort,
    handler: StreamHandler,
    windows: { send: number; receive: number },
  ) {
    this.id = id;
    this.#port = port;
    this.handler = handler;
    this.#credit = windows.send;
    this.#firstWindow = windows.receive;
    this.#window = windows.receive;
    this.#granted = windows.receive;
  }

  /** Received bytes that have not been passed on. */
  get unconsumedBytes(): number {
    return this.#unconsumed;
  }

  // ---- sending

  sendInterim(head: ResponseHead): void {
    if (this.#done || this.#headSent || this.#local !== "open") return;
    this.#port.text(frameTypes.interim, this.id, encodeResponseHead(head));
  }

  sendHead(head: ResponseHead, end = false): void {
    if (this.#done || this.#headSent || this.#local !== "open") return;
    this.#headSent = true;
    this.#port.text(
      end ? frameTypes.response | endFlag : frameTypes.response,
      this.id,
      encodeResponseHead(head),
    );
    if (end) this.#localEnded();
  }

  write(chunk: Buffer): boolean {
    if (this.#done || this.#local !== "open" || chunk.length === 0) return true;
    if (this.#queue.length === 0 && this.#port.canSendData(chunk.length)) {
      const rest = this.#send(chunk);
      if (rest === undefined && this.#credit > 0) return true;
      if (rest !== undefined) this.#queue.push(rest);
    } else this.#queue.push(chunk);
    this.#wantsDrain = true;
    if (this.#credit === 0) this.#sayBlocked();
    else this.#port.awaitTurn(this);
    return false;
  }

  end(trailers: RawHeaders = []): void {
    if (this.#done || this.#local !== "open") return;
    this.#local = "ending";
    this.#trailers = trailers;
    if (this.#queue.length === 0) this.#sendEnd();
  }

  reset(code: ResetCode, message = ""): void {
    if (this.#done) {
      this.#dropUnconsumed();
      return;
    }
    const text = Buffer.from(message, "utf8").subarray(0, maxResetMessageBytes);
    const payload = Buffer.allocUnsafe(2 + text.length);
    payload.writeUInt16BE(resetCodes[code], 0);
    text.copy(payload, 2);
    this.#port.bytes(frameTypes.reset, this.id, payload);
    this.#finish(true);
  }

  /** The session grants a turn. Sends up to `budget` bytes; true when there is more to send than that. */
  pump(budget: number): boolean {
    let left = budget;
    while (!this.#done && left > 0 && this.#credit > 0) {
      const chunk = this.#queue[0];
      if (chunk === undefined || !this.#port.canSendData(chunk.length)) break;
      this.#queue.shift();
      left -= Math.min(chunk.length, this.#credit);
      const rest = this.#send(chunk);
      if (rest !== undefined) this.#queue.unshift(rest);
    }
    if (this.#done) return false;
    if (this.#queue.length > 0) {
      if (this.#credit > 0) return true;
      this.#sayBlocked();
      return false;
    }
    if (this.#local === "ending") {
      this.#sendEnd();
    } else if (this.#wantsDrain && this.#credit > 0) {
      if (!this.#port.canSendData(0)) return true;
      this.#wantsDrain = false;
      this.handler.onDrain?.();
    }
    return false;
  }

  /** Sends as much of the chunk as there is credit for; returns the rest. */
  #send(chunk: Buffer): Buffer | undefined {
    let rest = chunk;
    while (this.#credit > 0) {
      const size = Math.min(rest.length, this.#credit, maxDataBytes);
      this.#credit -= size;
      this.#port.bytes(frameTypes.data, this.id, size === rest.length ? rest : rest.subarray(0, size));
      if (size === rest.length) return undefined;
      rest = rest.subarray(size);
    }
    return rest;
  }

  #sendEnd(): void {
    const trailers = this.#trailers;
    if (trailers !== undefined && trailers.length > 0) {
      this.#port.text(frameTypes.end, this.id, encodeTrailers(trailers));
    } else if (!this.#port.markEnd(this.id)) {
      this.#port.text(frameTypes.end, this.id, "");
    }
    this.#localEnded();
  }

  /** The END of this end's direction is on its way. Called also by the session for a REQUEST without a body. */
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
    this.#port.text(frameTypes.blocked, this.id, "");
  }

  // ---- receiving

  consumed(bytes: number): void {
    const taken = Math.min(bytes, this.#unconsumed);
    if (taken <= 0) return;
    this.#unconsumed -= taken;
    this.#port.queued(-taken);
    if (this.#done || this.#remote === "ended") return;
    this.#toReturn += taken;
    if (this.#toReturn * 2 >= this.#window) this.#returnCredit(0);
  }

  #returnCredit(extra: number): void {
    const bytes = this.#toReturn + extra;
    this.#toReturn = 0;
    if (bytes === 0) return;
    this.#granted += bytes;
    this.#port.number(frameTypes.credit, this.id, bytes);
  }

  /** A REQUEST frame announced that no body follows. */
  remoteEndReceived(): void {
    this.#remote = "ended";
    if (this.#local === "ended") this.#finish(false);
  }

  receiveHead(head: ResponseHead, end: boolean): void {
    if (this.#headReceived || this.#remote === "ended") throw violation(this.id, "a second RESPONSE");
    this.#headReceived = true;
    if (end) this.#remote = "ended";
    this.handler.onHead?.(head, end);
    if (end) this.#remoteEnded([]);
  }

  receiveInterim(head: ResponseHead): void {
    if (this.#headReceived || this.#remote === "ended") throw violation(this.id, "INTERIM after RESPONSE");
    this.handler.onInterim?.(head);
  }

  /** `headNeeded`: the sender must have sent its head before. */
  receiveData(payload: Buffer, end: boolean, headNeeded: boolean): void {
    if (this.#remote === "ended") throw violation(this.id, "DATA after END");
    if (headNeeded && !this.#headReceived) throw violation(this.id, "DATA before RESPONSE");
    if (payload.length === 0 && !end) throw violation(this.id, "empty DATA");
    if (payload.length > this.#granted) throw violation(this.id, "more DATA than there was credit for");
    this.#granted -= payload.length;
    this.#unconsumed += payload.length;
    this.#epochBytes += payload.length;
    this.#epochStart ??= performance.now();
    this.#port.queued(payload.length);
    if (this.#done) return;
    if (end) this.#remote = "ended";
    if (payload.length > 0) this.handler.onData(payload, end);
    if (end) this.#remoteEnded([]);
  }

  receiveEnd(trailers: RawHeaders, headNeeded: boolean): void {
    if (this.#remote === "ended") throw violation(this.id, "a second END");
    if (headNeeded && !this.#headReceived) throw violation(this.id, "END before RESPONSE");
    this.#remote = "ended";
    this.#remoteEnded(trailers);
  }

  #remoteEnded(trailers: RawHeaders): void {
    if (this.#done) return;
    this.handler.onEnd(trailers);
    if (this.#local === "ended" && !this.#done) this.#finish(false);
  }

  receiveCredit(bytes: number): void {
    if (bytes === 0) throw violation(this.id, "CREDIT of nothing");
    this.#credit += bytes;
    if (this.#credit > 0x7fffffff) throw violation(this.id, "more credit than 2^31-1");
    this.#saidBlocked = false;
    if (this.#wantsDrain || this.#queue.length > 0) this.#port.awaitTurn(this);
  }

  /**
   * The peer ran out of credit. If this end kept up, the window is what holds it back, and it grows toward the
   * link's bandwidth x delay; if data is queued here, the visitor is what holds it back, and it does not.
   */
  receiveBlocked(): void {
    if (this.#remote === "ended") throw violation(this.id, "BLOCKED after END");
    const now = performance.now();
    const elapsedMs = now - (this.#epochStart ?? now);
    const bytes = this.#epochBytes;
    this.#epochStart = now;
    this.#epochBytes = 0;
    if (this.#unconsumed * 4 > this.#window) return;
    const extra = this.#port.extraWindow(this.#window, bytes, elapsedMs);
    this.#window += extra;
    this.#returnCredit(extra);
  }

  receiveReset(reason: StreamReset): void {
    // After a whole response this only says that no more of the request is wanted: what was received stays.
    this.#finish(!(reason.code === "no_error" && this.#remote === "ended"));
    this.handler.onReset(reason);
  }

  /** The session is over. */
  fail(reason: StreamReset): void {
    this.receiveReset(reason);
  }

  #dropUnconsumed(): void {
    if (this.#unconsumed > 0) this.#port.queued(-this.#unconsumed);
    this.#unconsumed = 0;
  }

  /** `cut`: what was received and not passed on will not be. */
  #finish(cut: boolean): void {
    if (this.#done) return;
    this.#done = true;
    this.#queue = [];
    this.#wantsDrain = false;
    if (cut) this.#dropUnconsumed();
    this.#port.finished(this, this.#window - this.#firstWindow);
  }
}

function violation(streamId: number, what: string): TunnelError {
  return new TunnelError("protocol_error", `${what} on stream ${streamId}`);
}
