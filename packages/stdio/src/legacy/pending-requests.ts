import { errorText, progressTokenOf, type RequestId, type RequestMessage } from "../message.js";
import type { Reply } from "./reply.js";
import type { ResumableStream } from "./resumable-stream.js";

/** How long a cancelled request is waited for, in milliseconds: a server need not answer it. */
const cancelledMs = 60_000;

interface PendingPost {
  readonly reply: Reply;
  /** Requests of the POST that have no answer yet. */
  open: number;
}

interface PendingRequest {
  readonly id: RequestId;
  readonly progressToken: RequestId | undefined;
  readonly post: PendingPost;
  givingUp?: NodeJS.Timeout;
}

/** A session's requests that its server has got and not answered. */
export class PendingRequests {
  /** By id, the oldest first. */
  readonly #requests = new Map<RequestId, PendingRequest>();
  readonly #byToken = new Map<RequestId, PendingRequest>();
  readonly #onSettled: () => void;

  /** `onSettled`: there are fewer than before. */
  constructor(onSettled: () => void) {
    this.#onSettled = onSettled;
  }

  get size(): number {
    return this.#requests.size;
  }

  has(id: RequestId): boolean {
    return this.#requests.has(id);
  }

  /** Adds the requests of one POST. None of their ids may be pending. */
  add(messages: readonly RequestMessage[], reply: Reply): void {
    const post: PendingPost = { reply, open: messages.length };
    for (const message of messages) {
      const request: PendingRequest = {
        id: message.value.id,
        progressToken: progressTokenOf(message),
        post,
      };
      this.#requests.set(request.id, request);
      if (request.progressToken !== undefined) this.#byToken.set(request.progressToken, request);
    }
  }

  /** The reply to the request with a progress token. */
  replyFor(progressToken: RequestId): Reply | undefined {
    return this.#byToken.get(progressToken)?.post.reply;
  }

  /**
   * The reply that a message belongs to that names no request: that of the only request. One that was
   * cancelled does not count, because its server may never answer it. All are of one visitor, who may see
   * what belongs to either.
   */
  get onlyReply(): Reply | undefined {
    let only: Reply | undefined;
    for (const { givingUp, post } of this.#requests.values()) {
      if (givingUp !== undefined) continue;
      if (only !== undefined) return undefined;
      only = post.reply;
    }
    return only;
  }

  /** Whether the visitor of any of them is there. */
  get areWaitedFor(): boolean {
    for (const { post } of this.#requests.values()) if (post.reply.isWaitedFor) return true;
    return false;
  }

  /** The newest stream of a reply: one whose visitor is there, if there is any. */
  get newestStream(): ResumableStream | undefined {
    const streams = Array.from(this.#requests.values(), ({ post }) => post.reply.stream);
    return (
      streams.findLast((stream) => stream?.isConnected === true) ??
      streams.findLast((stream) => stream !== undefined)
    );
  }

  /** Passes an answer on. An answer to nothing that is pending is dropped. */
  answer(id: RequestId, text: string): void {
    this.#settle(id, text);
  }

  /**
   * The visitor has cancelled a request, and its server knows. An answer that comes all the same is passed
   * on.
   */
  cancel(id: RequestId): void {
    const request = this.#requests.get(id);
    if (request !== undefined) request.givingUp ??= setTimeout(() => this.#settle(id), cancelledMs);
  }

  /**
   * Answers all requests with an error, but for those that their visitor has cancelled: nobody waits for
   * them.
   */
  failAll(code: number, message: string): void {
    for (const { id, givingUp } of this.#requests.values()) {
      this.#settle(id, givingUp === undefined ? errorText(id, code, message) : undefined);
    }
  }

  #settle(id: RequestId, text?: string): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    clearTimeout(request.givingUp);
    this.#requests.delete(id);
    const { progressToken, post } = request;
    if (progressToken !== undefined && this.#byToken.get(progressToken) === request) {
      this.#byToken.delete(progressToken);
    }
    if (text !== undefined) post.reply.answer(id, text);
    post.open--;
    if (post.open === 0) post.reply.finish();
    this.#onSettled();
  }
}
