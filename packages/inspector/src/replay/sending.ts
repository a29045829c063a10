import type { RequestEvent, ServedTunnel, Service } from "mcp-tunnel-client";
import { beginOwnExchange } from "mcp-tunnel-client/own-exchange";
import { StreamReset } from "mcp-tunnel-protocol";
import type { AcceptedStream, ResetCode, ResponseHead, StreamHandler } from "mcp-tunnel-protocol";
import type { Recorder } from "../capture/recorder.js";
import type { Captured } from "../captured.js";
import type { Outgoing } from "./outgoing.js";

/** Where a request goes, and what captures it. */
export interface Way {
  readonly service: Service;
  readonly tunnel: ServedTunnel;
  /** The tunnel's name, if there are several. */
  readonly name: string | undefined;
  readonly recorder: Recorder;
  /** The exchange that is repeated. */
  readonly replayOf: number;
}

/** Reads an answer while it comes. */
export interface AnswerReader {
  onHead(head: ResponseHead): void;
  onData(chunk: Buffer): void;
}

/**
 * Bytes of an answer that are taken in one turn of the event loop. A service that writes for ever must not
 * keep everybody else from their turn.
 */
const turnBytes = 1_024 * 1_024;

/** Streams of visitors have the numbers from 0 on. */
let lastId = 0;

/**
 * One request of the inspector's own on its way to the service: the stream that the service answers on. The
 * exchange of the client stands between the two. It knows whether the service waits, answers or has ended,
 * keeps it to the rules, and tells the recorder. Nothing of the answer is kept here.
 */
export class Sending implements AcceptedStream {
  readonly id = (lastId -= 1);
  readonly entry: Captured;
  /** Resolves with the report, once. It never rejects. */
  readonly over: Promise<RequestEvent>;
  readonly #tunnel: ServedTunnel;
  readonly #reader: AnswerReader | undefined;
  #state: "open" | "over" = "open";
  /** Undefined while the service is being given the request. */
  #handler: StreamHandler | undefined;
  /** Bytes of the answer in this turn. */
  #turn = 0;
  #paused: NodeJS.Immediate | undefined;

  constructor({ service, tunnel, name, recorder, replayOf }: Way, request: Outgoing, reader?: AnswerReader) {
    const { head, body, trailers } = request;
    const { entry, observer } = recorder.begin(head, replayOf, name);
    this.entry = entry;
    this.#tunnel = tunnel;
    this.#reader = reader;
    const end = body.length === 0;
    this.over = new Promise((resolve) => {
      const onOver = (event: RequestEvent): void => {
        this.#finish();
        resolve(event);
      };
      this.#handler = beginOwnExchange(service, { stream: this, head, end, tunnel, observer, onOver });
    });
    this.#toService((handler) => {
      if (!end) handler.onData(body, trailers.length === 0);
      // The service may have wanted no more after the body.
      if (this.#state === "open") handler.onEnd(trailers);
    });
  }

  /** Ends it, if it is not over. */
  cut(code: ResetCode, message: string): void {
    if (this.#state === "over") return;
    this.#toService((handler) => handler.onReset(new StreamReset(code, message)));
  }

  // ---- from the service, by way of the exchange

  sendInterim(): void {}

  sendHead(head: ResponseHead): void {
    this.#reader?.onHead(head);
  }

  write(chunk: Buffer): boolean {
    this.#reader?.onData(chunk);
    this.#turn += chunk.length;
    if (this.#turn < turnBytes) return true;
    this.#paused ??= setImmediate(() => {
      this.#paused = undefined;
      this.#turn = 0;
      this.#toService((handler) => handler.onDrain?.());
    });
    return false;
  }

  end(): void {}

  /** The service wants no more, whether it has failed or not. */
  reset(): void {
    this.#finish();
  }

  /** The body was handed over as a whole, because it is short. */
  consumed(): void {}

  /** An exception of the service costs it this request, as it does in a session. */
  #toService(action: (handler: StreamHandler) => void): void {
    if (this.#state === "over" || this.#handler === undefined) return;
    try {
      action(this.#handler);
    } catch (error) {
      this.#tunnel.fault(error);
      if (this.#state === "open") this.#fail();
    }
  }

  #fail(): void {
    try {
      this.#handler?.onReset(new StreamReset("internal", "the service failed"));
    } catch (error) {
      this.#tunnel.fault(error);
    }
  }

  #finish(): void {
    this.#state = "over";
    clearImmediate(this.#paused);
  }
}
