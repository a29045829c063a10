import { endToEndHeaders, endToEndTrailers, headerValue } from "mcp-tunnel-protocol";
import type { AcceptedStream, RawHeaders, RequestHead } from "mcp-tunnel-protocol";
import type { Agreement } from "./agreement/agreement.js";
import { HeldAnswer, withoutOwnBytes } from "./agreement/held-answer.js";
import type { UpstreamFailure } from "./errors.js";

/**
 * What a local service answers to one request, on its way to the visitor: in his words, without what speaks
 * of the connection to the service, and as metadata held back until it is whole.
 */
export class Answer {
  readonly stream: AcceptedStream;
  readonly head: RequestHead;
  readonly agreement: Agreement;
  /** An answer whose head goes out with its body, because it depends on it. */
  #held: HeldAnswer | undefined;
  #isOver = false;

  constructor(stream: AcceptedStream, head: RequestHead, agreement: Agreement) {
    this.stream = stream;
    this.head = head;
    this.agreement = agreement;
  }

  /** Nothing that the service says is wanted any more: it has answered, failed, or the visitor left. */
  get isOver(): boolean {
    return this.#isOver;
  }

  sendInterim(status: number, headers: RawHeaders): void {
    // 101 is a final head, and only ever the answer to an upgrade.
    if (status === 101) return;
    const kept = endToEndHeaders(headers);
    this.agreement.settleAnswer(kept);
    this.stream.sendInterim({ status, headers: kept });
  }

  /** Sends the final head, as the local service gave it. `end`: no body follows, the answer is complete. */
  sendHead(status: number, headers: RawHeaders, end: boolean): void {
    const kept = endToEndHeaders(headers);
    this.agreement.settleAnswer(kept);
    if (status === 101) kept.push("Connection", "Upgrade", "Upgrade", headerValue(headers, "upgrade") ?? "");
    if (!this.agreement.concernsBody(status, kept)) this.stream.sendHead({ status, headers: kept }, end);
    // What a GET would get is not known: what it depends on may be left out (RFC 9110 section 9.3.2).
    else if (end) this.stream.sendHead({ status, headers: withoutOwnBytes(kept) }, end);
    else this.#held = new HeldAnswer(status, kept);
  }

  /** Sends body bytes; false asks for a pause until the stream drains. */
  write(chunk: Buffer): boolean {
    if (this.#held === undefined) return this.stream.write(chunk);
    return this.#held.push(chunk) || this.#release();
  }

  /** Ends the body. */
  end(trailers: RawHeaders | undefined): void {
    const isRewritten = this.#held !== undefined && this.#sendSettled(this.#held);
    if (trailers === undefined) {
      this.stream.end();
      return;
    }
    const kept = endToEndTrailers(trailers);
    this.agreement.settleAnswer(kept);
    this.stream.end(isRewritten ? withoutOwnBytes(kept) : kept);
  }

  /** Sends what was held with another body, or as it is; says which. */
  #sendSettled({ status, headers, body }: HeldAnswer): boolean {
    const settled = this.agreement.settleBody(body);
    if (settled === undefined) {
      this.#release();
      return false;
    }
    this.#held = undefined;
    const kept = withoutOwnBytes(headers);
    kept.push("Content-Length", String(settled.length));
    this.stream.sendHead({ status, headers: kept });
    this.stream.write(settled);
    return true;
  }

  /** Sends what was held as it is; says whether more may be written. */
  #release(): boolean {
    if (this.#held === undefined) return true;
    const { status, headers, body } = this.#held;
    this.#held = undefined;
    this.stream.sendHead({ status, headers });
    return body.length === 0 || this.stream.write(body);
  }

  /** The answer is complete; what is left of the request's body is not wanted (PROTOCOL.md, section 3). */
  complete(): void {
    this.#isOver = true;
    this.stream.reset("no_error");
  }

  /** Cuts the answer off: the visitor gets an error, or a response that is visibly incomplete. */
  fail(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // As far as it came: a visitor without the tunnel would have it too.
    this.#release();
    this.stream.reset(failure.code, failure.message);
  }

  /** The stream was cut, or both directions of an upgraded connection have ended. */
  stop(): void {
    this.#isOver = true;
  }
}
