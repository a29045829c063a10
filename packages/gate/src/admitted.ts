import type { ServedTunnel } from "mcp-tunnel-client";
import { StreamReset } from "mcp-tunnel-protocol";
import type { AcceptedStream, RawHeaders, ResetCode, ResponseHead, StreamHandler } from "mcp-tunnel-protocol";
import type { Linked } from "mcp-tunnel-shared";
import type { Visit } from "./visit.js";

const message = "what the visitor has shown holds no more";

/** The gate that has let a stream in. It is told how the stream goes on. */
export interface Admission {
  /** The service answers. */
  onHead(head: ResponseHead, tunnel: ServedTunnel): void;
  /** The service has taken the stream, which is not over. `onOver` follows. */
  onOpen(admitted: Admitted): void;
  onOver(admitted: Admitted): void;
}

/**
 * A stream that a gate has let in, until it is over. To the service it is the stream, and to the client the
 * stream's handler. Event streams and WebSockets last for hours, and end with the proof that let them in.
 */
export class Admitted implements AcceptedStream, StreamHandler, Linked<Admitted> {
  previous: Admitted | undefined;
  next: Admitted | undefined;
  readonly visit: Visit;
  readonly #stream: AcceptedStream;
  readonly #tunnel: ServedTunnel;
  readonly #admission: Admission;
  #service: StreamHandler | undefined;
  /** Which directions have ended. */
  #isAnswered = false;
  #isRequestOver: boolean;
  #isOver = false;

  /** `end`: the request has no body. */
  constructor(
    stream: AcceptedStream,
    visit: Visit,
    end: boolean,
    tunnel: ServedTunnel,
    admission: Admission,
  ) {
    this.#stream = stream;
    this.visit = visit;
    this.#isRequestOver = end;
    this.#tunnel = tunnel;
    this.#admission = admission;
  }

  serve(service: StreamHandler): void {
    this.#service = service;
    if (!this.#isOver) this.#admission.onOpen(this);
  }

  /** The visitor may not be here any more. */
  cut(): void {
    this.reset("refused", message);
    try {
      this.#service?.onReset(new StreamReset("refused", message));
    } catch (error) {
      this.#tunnel.fault(error);
    }
  }

  // ---- from the service

  get id(): number {
    return this.#stream.id;
  }

  sendInterim(head: ResponseHead): void {
    this.#stream.sendInterim(head);
  }

  sendHead(head: ResponseHead, end?: boolean): void {
    this.#admission.onHead(head, this.#tunnel);
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
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#service !== undefined) this.#admission.onOver(this);
  }
}
