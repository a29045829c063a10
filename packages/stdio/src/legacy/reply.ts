import { tooMuchUnread, unreadJson } from "../http/answers.js";
import type { Unread } from "../http/unread.js";
import { UnreadBody } from "../http/unread-body.js";
import type { RequestId } from "../message.js";
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
  /** `id`: that of the request. */
  answer(id: RequestId, text: string): void;
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

  answer(_id: RequestId, text: string): void {
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
  readonly #body: UnreadBody;
  #resolve: (response: Response) => void = () => {};

  /**
   * `signal`: that of the visitor's HTTP request. `isBatch`: the requests came as an array, and so do the
   * answers.
   */
  constructor(unread: Unread, signal: AbortSignal, isBatch: boolean, headers: Record<string, string>) {
    this.#signal = signal;
    this.#isBatch = isBatch;
    this.#headers = headers;
    this.#body = new UnreadBody(unread);
    this.response = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    signal.addEventListener("abort", () => this.#body.abort("the visitor has left"), { once: true });
  }

  get isWaitedFor(): boolean {
    return !this.#signal.aborted;
  }

  answer(id: RequestId, text: string): void {
    const before = !this.#isBatch ? "" : this.#body.bytes === 0 ? "[" : ",";
    if (!this.#body.write(before + text)) this.#body.force(before + tooMuchUnread(id));
  }

  finish(): void {
    // A request that was cancelled may have no answer.
    if (this.#body.bytes === 0) {
      this.#resolve(new Response(null, { status: 202, headers: this.#headers }));
      return;
    }
    if (this.#isBatch) this.#body.force("]");
    const length = { "Content-Length": String(this.#body.bytes) };
    this.#resolve(unreadJson(this.#body, 200, { ...this.#headers, ...length }));
  }
}
