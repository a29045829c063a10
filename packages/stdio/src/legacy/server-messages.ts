import {
  cancelledOf,
  errorCodes,
  errorText,
  isRequest,
  progressOf,
  type Message,
  type RequestId,
} from "../message.js";
import type { ResolvedStdioOptions } from "../options.js";
import { MessageQueue } from "./message-queue.js";
import type { PendingRequests } from "./pending-requests.js";
import type { ResumableStream } from "./resumable-stream.js";

/** Requests of a server whose way is remembered, for the case that the server cancels them. */
const maxAsked = 1_000;

export interface ServerMessagesOwner {
  /** Sends a message to the server. */
  answer(text: string): void;
  /** A message was dropped, because too many wait. This is told once. */
  onOverflow(): void;
}

/**
 * Decides where the requests and notifications of a session's server go: on the stream of a POST, on the
 * visitor's GET stream, or into a queue until there is a GET stream.
 */
export class ServerMessages {
  readonly #pending: PendingRequests;
  readonly #get: ResumableStream;
  readonly #queue: MessageQueue;
  readonly #owner: ServerMessagesOwner;
  /** Requests of the server that have no answer yet, and where they went. `undefined`: into the queue. */
  readonly #asked = new Map<RequestId, ResumableStream | undefined>();
  #hasOverflowed = false;

  constructor(
    options: Pick<ResolvedStdioOptions, "maxKeptMessages" | "maxKeptBytes">,
    pending: PendingRequests,
    get: ResumableStream,
    owner: ServerMessagesOwner,
  ) {
    this.#pending = pending;
    this.#get = get;
    this.#owner = owner;
    this.#queue = new MessageQueue(options.maxKeptMessages, options.maxKeptBytes, (message) =>
      this.#onDropped(message),
    );
  }

  pass(message: Message): void {
    let stream = this.#streamFor(message);
    if (stream === this.#get && stream.isFull) {
      // Nobody waits for a visitor who reads too slowly. It gets the rest when it comes back.
      stream.cut();
      stream = undefined;
    }
    if (isRequest(message)) this.#remember(message.value.id, stream);
    if (stream === undefined) this.#queue.push(message);
    else stream.send(message.text);
  }

  /** The GET stream has a visitor, who gets what has waited. */
  flush(): void {
    for (const message of this.#queue.takeAll()) {
      if (isRequest(message) && this.#asked.has(message.value.id)) {
        this.#asked.set(message.value.id, this.#get);
      }
      this.#get.send(message.text);
    }
  }

  /** The visitor has answered a request of the server. */
  onAnswer(id: RequestId | null): void {
    if (id !== null) this.#asked.delete(id);
  }

  /** `undefined`: the queue. */
  #streamFor(message: Message): ResumableStream | undefined {
    const get = this.#get.isConnected ? this.#get : undefined;
    const token = progressOf(message);
    const reply = token === undefined ? undefined : this.#pending.replyFor(token);
    if (reply !== undefined) return reply.stream ?? get;
    const cancelled = cancelledOf(message);
    if (cancelled !== undefined && this.#asked.has(cancelled)) {
      const stream = this.#asked.get(cancelled);
      this.#asked.delete(cancelled);
      if (stream === this.#get || stream === undefined) return get;
      if (!stream.isFinished) return stream;
    }
    return (
      this.#pending.onlyReply?.stream ??
      get ??
      // The server waits for an answer, and the visitor may never open a GET stream.
      (isRequest(message) ? this.#pending.newestStream : undefined)
    );
  }

  #remember(id: RequestId, stream: ResumableStream | undefined): void {
    this.#asked.set(id, stream);
    if (this.#asked.size <= maxAsked) return;
    for (const oldest of this.#asked.keys()) {
      this.#asked.delete(oldest);
      return;
    }
  }

  #onDropped(message: Message): void {
    if (isRequest(message)) {
      const { id } = message.value;
      this.#asked.delete(id);
      this.#owner.answer(errorText(id, errorCodes.internalError, "the client has not taken the request"));
    }
    if (this.#hasOverflowed) return;
    this.#hasOverflowed = true;
    this.#owner.onOverflow();
  }
}
