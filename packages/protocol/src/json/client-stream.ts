import { StreamReset, type ResetCode } from "../errors.js";
import type { AcceptedStream, ResponseHead, StreamHandler } from "../tunnel.js";
import { responseHeadersToWire, type WireHeaders } from "./headers.js";
import type { StreamIntake } from "./intake.js";
import { isFinalStatus, noFinalStatus } from "./messages.js";

/**
 * How long an original relay waits for a response, in milliseconds: for all of it in version 0.1, for its
 * head in 0.2. A 0.1 relay never tells the client that it has stopped waiting. A 0.2 relay does not tell it
 * if the visitor leaves before the head.
 */
export const relayTimeoutMs = 30_000;

/** The part of a session that its streams use. */
export interface ClientStreamOwner {
  /** Sends the messages in one write. Returns false when too much waits for the link; `drained` follows. */
  send(messages: readonly string[], stream: ClientStream): boolean;
  /** Runs the action of a timer. The session reports an error that a handler throws in it. */
  guard(stream: ClientStream, action: () => void): void;
  /** Counts held bytes; a negative number gives bytes back. Returns false when the session holds too many. */
  hold(bytes: number): boolean;
  /**
   * Whether messages that could leave may be held back. All streams may release theirs at the same time, and
   * a link breaks when too much waits for it.
   */
  mayHoldBack(): boolean;
  /** The stream is finished. */
  remove(stream: ClientStream): void;
}

/**
 * The client's side of an exchange; one subclass for each version of the wire. The request has arrived in one
 * message, so the state is that of the response: `waiting` for its head, `streaming` its body, `finished`.
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

  /** Drops the head: the wire carries no interim heads. */
  sendInterim(_head: ResponseHead): void {}

  abstract sendHead(head: ResponseHead, end?: boolean): void;
  abstract write(chunk: Buffer): boolean;
  /** Trailers are dropped: the wire has no place for them. */
  abstract end(): void;
  /**
   * Tells the relay that there will be no response, or no rest of it. The message of the reset is not sent
   * because it may name addresses of this machine: an original relay shows visitors what a client tells it.
   */
  protected abstract sendFailure(code: ResetCode): void;
  /** The relay no longer waits for the response. */
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

  /**
   * Counts bytes that are kept until the stream is finished. Returns false when the session holds too many,
   * and the stream is over.
   */
  hold(bytes: number): boolean {
    if (this.keep(bytes)) return true;
    this.cut("overloaded", "The client holds too much for requests that are open");
    return false;
  }

  /**
   * Hands the request's body, and its end, to the handler. The handler may reset the stream in any of its
   * callbacks. It may also have answered in full: a request that is answered before it has ended still ends.
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

  /** The relay no longer wants an answer, or the session is over. */
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

  /** Ends the stream from this side and tells the relay and the handler. */
  cut(code: ResetCode, message: string): void {
    if (this.state === "finished") return;
    this.sendFailure(code);
    this.lost(code, message);
  }

  /** The fields as they travel. If they cannot travel, the stream is cut and the result is `undefined`. */
  protected headersToWire(head: ResponseHead): WireHeaders | undefined {
    const headers = isFinalStatus(head.status) ? responseHeadersToWire(head.headers) : noFinalStatus;
    if (typeof headers !== "string") return headers;
    this.cut("bad_message", `The response cannot travel: ${headers}`);
    return undefined;
  }

  protected send(...messages: string[]): boolean {
    return this.#owner.send(messages, this);
  }

  /**
   * Counts bytes that are kept. A negative number, or the end of the stream, gives them back. Returns false
   * when the session holds too many.
   */
  protected keep(bytes: number): boolean {
    this.#heldBytes += bytes;
    return this.#owner.hold(bytes);
  }

  protected mayHoldBack(): boolean {
    return this.#owner.mayHoldBack();
  }

  /** The relay has got the part of the response that it waits for. */
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
    // A handler may drop an answered request half read. Its unread bytes must not brake the link for ever.
    this.#intake.release();
    this.#owner.remove(this);
  }
}
