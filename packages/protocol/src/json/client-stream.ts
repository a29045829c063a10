import { StreamReset, type ResetCode } from "../errors.js";
import type { AcceptedStream, ResponseHead, StreamHandler } from "../tunnel.js";
import { responseHeadersToWire, type WireHeaders } from "./headers.js";
import type { StreamIntake } from "./intake.js";
import { isFinalStatus, noFinalStatus } from "./messages.js";

/**
 * How long an original relay waits for a response, in milliseconds: for all of it in version 0.1, for its
 * head in 0.2. The first never says when it stops waiting, the second does not when its visitor leaves before
 * the head.
 */
export const relayTimeoutMs = 30_000;

/** What a stream needs of its session. */
export interface ClientStreamOwner {
  /** Sends the messages in one write. False: the link has more to send than it should; `drained` follows. */
  send(messages: readonly string[], stream: ClientStream): boolean;
  /** Runs what a timer started: an error in the handler is the session's to report. */
  guard(stream: ClientStream, action: () => void): void;
  /** Takes note of bytes that are held, given back with a negative number; false when that is too many. */
  hold(bytes: number): boolean;
  /**
   * Whether what could leave may be held back. What all streams hold back goes to the link at once, which breaks under too
   * much.
   */
  mayHoldBack(): boolean;
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
  readonly #timer: NodeJS.Timeout;
  #heldBytes = 0;
  /** The stream was reset, by either end: the handler hears no more of the request. */
  #isCut = false;
  /** Why it was cut before it was known who handles it. */
  #untold: StreamReset | undefined;

  constructor(id: number, wireId: string, owner: ClientStreamOwner, intake: StreamIntake) {
    this.id = id;
    this.wireId = wireId;
    this.#owner = owner;
    this.#intake = intake;
    this.#timer = this.after(relayTimeoutMs, () => this.expire());
  }

  /** Dropped: the wire carries no interim heads. */
  sendInterim(_head: ResponseHead): void {}

  abstract sendHead(head: ResponseHead, end?: boolean): void;
  abstract write(chunk: Buffer): boolean;
  /** Trailers are dropped: the wire has no place for them. */
  abstract end(): void;
  /**
   * Tells the relay that there will be no response, or no rest of it. It is not told the message, which may
   * name addresses of this machine: original relays show visitors what they are told.
   */
  protected abstract sendFailure(code: ResetCode): void;
  /** The relay waits no longer. */
  protected abstract expire(): void;

  reset(code: ResetCode, _message?: string): void {
    this.#isCut = true;
    if (this.state === "finished") return;
    this.sendFailure(code);
    this.finish();
  }

  consumed(bytes: number): void {
    this.#intake.consumed(bytes);
  }

  /** Counts what is kept until the stream is finished; false when that is too much, and the stream is over. */
  hold(bytes: number): boolean {
    if (this.keep(bytes)) return true;
    this.cut("overloaded", "The client holds too much for requests that are open");
    return false;
  }

  /**
   * Hands over the request's body, and its end. The handler may reset the stream in any of its callbacks. It
   * may also have answered in full: a request that is answered before it has ended still ends.
   */
  deliver(body: Buffer | undefined): void {
    if (this.#untold !== undefined) this.handler?.onReset(this.#untold);
    if (body !== undefined && !this.#isCut) {
      if (this.state !== "finished") this.#intake.received(body.length);
      this.handler?.onData(body, true);
    }
    if (!this.#isCut) this.handler?.onEnd([]);
  }

  drained(): void {
    if (this.state !== "finished") this.handler?.onDrain?.();
  }

  /** The relay wants no answer any more, or the session is over. */
  lost(code: ResetCode, message: string): void {
    if (this.state === "finished") return;
    this.#isCut = true;
    this.finish();
    const reason = new StreamReset(code, message);
    if (this.handler === undefined) this.#untold = reason;
    else this.handler.onReset(reason);
  }

  /** The handler threw. */
  fault(): void {
    this.reset("internal", "internal error");
    this.handler?.onReset(new StreamReset("internal", "internal error"));
  }

  /** Ends the stream from this side: the relay and the handler are told. */
  cut(code: ResetCode, message: string): void {
    if (this.state === "finished") return;
    this.sendFailure(code);
    this.lost(code, message);
  }

  /** The fields as they travel; `undefined` when the head cannot, which costs the stream. */
  protected headersToWire(head: ResponseHead): WireHeaders | undefined {
    const headers = isFinalStatus(head.status) ? responseHeadersToWire(head.headers) : noFinalStatus;
    if (typeof headers !== "string") return headers;
    this.cut("bad_message", `The response cannot travel: ${headers}`);
    return undefined;
  }

  protected send(...messages: string[]): boolean {
    return this.#owner.send(messages, this);
  }

  /** Counts what is kept, given back with a negative number or at the end; false when that is too much. */
  protected keep(bytes: number): boolean {
    this.#heldBytes += bytes;
    return this.#owner.hold(bytes);
  }

  protected mayHoldBack(): boolean {
    return this.#owner.mayHoldBack();
  }

  /** The relay has what it waits for. */
  protected stopTimer(): void {
    clearTimeout(this.#timer);
  }

  protected after(ms: number, action: () => void): NodeJS.Timeout {
    return setTimeout(() => this.#owner.guard(this, action), ms).unref();
  }

  protected finish(): void {
    this.state = "finished";
    this.stopTimer();
    this.#owner.hold(-this.#heldBytes);
    this.#heldBytes = 0;
    // Once answered, a request may be dropped half read; what nobody reads must not brake the link for ever.
    this.#intake.release();
    this.#owner.remove(this);
  }
}
