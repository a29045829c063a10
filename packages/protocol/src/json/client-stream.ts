import { StreamReset, type ResetCode } from "../errors.js";
import type { AcceptedStream, ResponseHead, StreamHandler } from "../tunnel.js";
import { responseHeadersToWire, type WireHeaders } from "./headers.js";
import type { StreamIntake } from "./intake.js";
import { writeChunk, writeError, writeHead, writeWhole } from "./messages.js";

/** Largest piece of a 0.2 body in one message, in bytes before base64: the original's. */
const maxChunkBytes = 64 * 1024;
/** Largest 0.1 body, in bytes: the default limit of an original relay, and within what its WebSocket takes. */
const maxWholeBytes = 10 * 1024 * 1024;
/** A 0.1 relay forgets a request after this long and has no way to say so, in milliseconds. */
const wholeTimeoutMs = 30_000;

/** What a stream needs of its session. */
export interface ClientStreamOwner {
  /** Returns false when the link has more to send than it should; `drained` is called later. */
  send(message: string, stream: ClientStream): boolean;
  /** Runs what a timer started: an error in the handler is the session's to report. */
  guard(stream: ClientStream, action: () => void): void;
  /** Takes note of bytes that are held, given back with a negative number; false when that is too many. */
  hold(bytes: number): boolean;
  /** The stream is finished. */
  remove(stream: ClientStream): void;
}

/**
 * The client's side of an exchange; one subclass for each version of the wire. The request has arrived whole, so only the
 * response is left: `waiting` for its head, `streaming` its body, `finished`.
 */
export abstract class ClientStream implements AcceptedStream {
  readonly id: number;
  readonly wireId: string;
  /** Set as soon as the request has been accepted. */
  handler: StreamHandler | undefined;
  protected state: "waiting" | "streaming" | "finished" = "waiting";
  readonly #owner: ClientStreamOwner;
  readonly #intake: StreamIntake;
  #heldBytes = 0;

  constructor(id: number, wireId: string, owner: ClientStreamOwner, intake: StreamIntake) {
    this.id = id;
    this.wireId = wireId;
    this.#owner = owner;
    this.#intake = intake;
  }

  /** Dropped: the wire carries no interim heads. */
  sendInterim(_head: ResponseHead): void {}

  abstract sendHead(head: ResponseHead, end?: boolean): void;
  abstract write(chunk: Buffer): boolean;
  /** Trailers are dropped: the wire has no place for them. */
  abstract end(): void;
  /** Tells the relay that there will be no response, or no rest of it. */
  protected abstract sendFailure(code: ResetCode, message: string): void;

  reset(code: ResetCode, message: string = code): void {
    if (this.state === "finished") return;
    this.sendFailure(code, message);
    this.finish();
  }

  consumed(bytes: number): void {
    this.#intake.consumed(bytes);
  }

  /** Counts what is kept until the stream is finished; false when that is too much, and the stream is over. */
  hold(bytes: number): boolean {
    this.#heldBytes += bytes;
    if (this.#owner.hold(bytes)) return true;
    this.cut("overloaded", "The client holds too much for requests that are open");
    return false;
  }

  /** Hands over the request's body. */
  deliver(body: Buffer | undefined): void {
    // The handler may reset the stream, or answer and finish it, in any of its callbacks.
    if (body !== undefined && this.state !== "finished") {
      this.#intake.received(body.length);
      this.handler?.onData(body, true);
    }
    if (this.state !== "finished") this.handler?.onEnd([]);
  }

  drained(): void {
    if (this.state !== "finished") this.handler?.onDrain?.();
  }

  /** The relay wants no answer any more, or the session is over. */
  lost(code: ResetCode, message: string): void {
    if (this.state === "finished") return;
    this.finish();
    this.handler?.onReset(new StreamReset(code, message));
  }

  /** The handler threw. */
  fault(): void {
    this.reset("internal", "internal error");
    this.handler?.onReset(new StreamReset("internal", "internal error"));
  }

  /** Ends the stream from this side: the relay and the handler are told. */
  cut(code: ResetCode, message: string): void {
    if (this.state === "finished") return;
    this.sendFailure(code, message);
    this.lost(code, message);
  }

  /** The fields as they travel; `undefined` when they cannot, which costs the stream. */
  protected headersToWire(head: ResponseHead): WireHeaders | undefined {
    const headers = responseHeadersToWire(head.headers);
    if (typeof headers !== "string") return headers;
    this.cut("bad_message", `The response cannot travel: ${headers}`);
    return undefined;
  }

  protected send(message: string): boolean {
    return this.#owner.send(message, this);
  }

  protected finish(): void {
    this.state = "finished";
    this.#owner.hold(-this.#heldBytes);
    this.#heldBytes = 0;
    // Once answered, a request may be dropped half read; what nobody reads must not brake the link for ever.
    this.#intake.release();
    this.#owner.remove(this);
  }
}

/** 0.2: head, chunks, and a last one. */
export class StreamingClientStream extends ClientStream {
  override sendHead(head: ResponseHead, end = false): void {
    if (this.state !== "waiting") return;
    const headers = this.headersToWire(head);
    if (headers === undefined) return;
    this.state = "streaming";
    this.send(writeHead(this.wireId, head.status, headers));
    if (end) this.end();
  }

  override write(chunk: Buffer): boolean {
    if (this.state !== "streaming") return true;
    let more = true;
    for (let at = 0; at < chunk.length; at += maxChunkBytes) {
      more = this.send(writeChunk(this.wireId, chunk.subarray(at, at + maxChunkBytes), false));
    }
    return more;
  }

  override end(): void {
    if (this.state === "finished") return;
    if (this.state === "waiting") {
      this.cut("internal", "The response ended before it had a head");
      return;
    }
    this.send(writeChunk(this.wireId, Buffer.alloc(0), true));
    this.finish();
  }

  /** After the head too: the original relay then breaks its answer off, which is what should happen. */
  protected override sendFailure(_code: ResetCode, message: string): void {
    this.send(writeError(this.wireId, message));
  }
}

/** 0.1: the response is collected and leaves as one message. */
export class WholeClientStream extends ClientStream {
  #head: ResponseHead | undefined;
  #body: Buffer[] = [];
  #bodyBytes = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(id: number, wireId: string, owner: ClientStreamOwner, intake: StreamIntake) {
    super(id, wireId, owner, intake);
    const expire = (): void => {
      this.cut("upstream_timeout", `No whole response in ${wholeTimeoutMs} ms, when a 0.1 relay gives up`);
    };
    this.#timer = setTimeout(() => owner.guard(this, expire), wholeTimeoutMs);
    this.#timer.unref();
  }

  override sendHead(head: ResponseHead, end = false): void {
    if (this.state !== "waiting") return;
    this.#head = head;
    this.state = "streaming";
    if (end) this.end();
  }

  override write(chunk: Buffer): boolean {
    if (this.state !== "streaming") return true;
    this.#body.push(chunk);
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > maxWholeBytes) {
      this.cut(
        "body_too_large",
        `The response is over ${maxWholeBytes} bytes, and a 0.1 relay takes it whole`,
      );
    } else this.hold(chunk.length);
    return true;
  }

  override end(): void {
    if (this.state === "finished") return;
    if (this.#head === undefined) {
      this.cut("internal", "The response ended before it had a head");
      return;
    }
    const headers = this.headersToWire(this.#head);
    if (headers === undefined) return;
    this.send(writeWhole(this.wireId, this.#head.status, headers, Buffer.concat(this.#body)));
    this.finish();
  }

  protected override sendFailure(code: ResetCode): void {
    const text = code === "body_too_large" ? "tunnel response body too large" : "upstream error";
    this.send(writeWhole(this.wireId, 502, {}, Buffer.from(text)));
  }

  protected override finish(): void {
    clearTimeout(this.#timer);
    this.#body = [];
    super.finish();
  }
}
