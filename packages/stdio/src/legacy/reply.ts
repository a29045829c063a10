import { Buffer } from "node:buffer";
import { jsonResponse } from "../http/answers.js";
import type { ResumableStream } from "./resumable-stream.js";
import type { SessionStreams } from "./streams.js";

/** The response to one POST with requests in it, while the server works on them. */
export interface Reply {
  /**
   * What else belongs to the requests can be sent here. `undefined`: the response has room for answers alone.
   */
  readonly stream: ResumableStream | undefined;
  /** The visitor is there. A visitor with a stream may come back. */
  readonly isWaitedFor: boolean;
  answer(text: string): void;
  /** All answers have come that will. */
  finish(): void;
}

/** Answers as events, each as it comes. */
export class StreamedReply implements Reply {
  readonly stream: ResumableStream;
  readonly #streams: SessionStreams;

  constructor(stream: ResumableStream, streams: SessionStreams) {
    this.stream = stream;
    this.#streams = streams;
  }

  get isWaitedFor(): boolean {
    return this.stream.isConnected;
  }

  answer(text: string): void {
    this.stream.send(text);
  }

  finish(): void {
    this.#streams.finish(this.stream);
  }
}

/** Answers as JSON, for a visitor who does not name `text/event-stream`. They are gathered until the last. */
export class GatheredReply implements Reply {
  readonly stream = undefined;
  readonly response: Promise<Response>;
  readonly #signal: AbortSignal;
  readonly #isBatch: boolean;
  readonly #headers: Record<string, string>;
  readonly #answers: string[] = [];
  #resolve: (response: Response) => void = () => {};

  /**
   * `signal`: that of the visitor's HTTP request. `isBatch`: the requests came as an array, and so do the
   * answers.
   */
  constructor(signal: AbortSignal, isBatch: boolean, headers: Record<string, string>) {
    this.#signal = signal;
    this.#isBatch = isBatch;
    this.#headers = headers;
    this.response = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isWaitedFor(): boolean {
    return !this.#signal.aborted;
  }

  answer(text: string): void {
    this.#answers.push(text);
  }

  finish(): void {
    const text = this.#isBatch ? `[${this.#answers.join(",")}]` : this.#answers[0];
    this.#resolve(
      // A request that was cancelled may have no answer.
      text === undefined || this.#answers.length === 0
        ? new Response(null, { status: 202, headers: this.#headers })
        : jsonResponse(text, 200, { ...this.#headers, "Content-Length": String(Buffer.byteLength(text)) }),
    );
  }
}
