import { StreamReset } from "mcp-tunnel-protocol";
import type { AcceptedStream, RawHeaders, ResetCode, ResponseHead, StreamHandler } from "mcp-tunnel-protocol";

const message = "what the visitor has shown holds no more";

/**
 * A stream that a gate has let in, until it is over. To the service it is the stream, and to the client the
 * stream's handler. Event streams and WebSockets last for hours, and end with the proof that let them in.
 */
export class Admitted implements AcceptedStream, StreamHandler {
  readonly #stream: AcceptedStream;
  readonly #onOver: (admitted: Admitted) => void;
  #isOver = false;
  #service: StreamHandler | undefined;
  /** Which directions have ended. */
  #isAnswered = false;
  #isRequestOver: boolean;

  /** `end`: the request has no body. */
  constructor(stream: AcceptedStream, end: boolean, onOver: (admitted: Admitted) => void) {
    this.#stream = stream;
    this.#isRequestOver = end;
    this.#onOver = onOver;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  serve(service: StreamHandler): void {
    this.#service = service;
  }

  /** The visitor may not be here any more. */
  cut(): void {
    this.#service?.onReset(new StreamReset("refused", message));
    this.reset("refused", message);
  }

  // ---- from the service

  get id(): number {
    return this.#stream.id;
  }

  sendInterim(head: ResponseHead): void {
    this.#stream.sendInterim(head);
  }

  sendHead(head: ResponseHead, end?: boolean): void {
    this.#stream.sendHead(head, end);
    if (end === true) this.#answered();
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(trailers?: RawHeaders): void {
    this.#stream.end(trailers);
    this.#answered();
  }

  reset(code: ResetCode, text?: string): void {
    this.#stream.reset(code, text);
    this.#over();
  }

  consumed(bytes: number): void {
    this.#stream.consumed(bytes);
  }

  // ---- from the visitor

  onData(chunk: Buffer, last: boolean): void {
    this.#service?.onData(chunk, last);
  }

  onEnd(trailers: RawHeaders): void {
    this.#isRequestOver = true;
    if (this.#isAnswered) this.#over();
    this.#service?.onEnd(trailers);
  }

  onReset(reason: StreamReset): void {
    this.#over();
    this.#service?.onReset(reason);
  }

  onDrain(): void {
    this.#service?.onDrain?.();
  }

  #answered(): void {
    this.#isAnswered = true;
    if (this.#isRequestOver) this.#over();
  }

  #over(): void {
    this.#isOver = true;
    this.#onOver(this);
  }
}
