import { endToEndTrailers, headerValue, keepEndToEnd } from "mcp-tunnel-protocol";
import type { AcceptedStream, RawHeaders, RequestHead } from "mcp-tunnel-protocol";
import type { Agreement } from "./agreement/agreement.js";
import { HeldAnswer, withoutOwnBytes } from "./agreement/held-answer.js";
import type { UpstreamFailure } from "./errors.js";

/**
 * The answer of a local service to one request, on its way to the visitor. References to the service get the
 * public name. Fields that speak of the connection to the service are dropped. Metadata is held back until it
 * is complete.
 */
export class Answer {
  readonly stream: AcceptedStream;
  readonly head: RequestHead;
  readonly agreement: Agreement;
  /** An answer whose head goes out with its body, because the head depends on the body. */
  #held: HeldAnswer | undefined;
  #isOver = false;

  constructor(stream: AcceptedStream, head: RequestHead, agreement: Agreement) {
    this.stream = stream;
    this.head = head;
    this.agreement = agreement;
  }

  /** No more of the answer is wanted: the service has answered or failed, or the visitor left. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** `headers` belong to the answer from now on. */
  sendInterim(status: number, headers: RawHeaders): void {
    // A 101 is a final head, and only ever the answer to an upgrade.
    if (status === 101) return;
    const kept = keepEndToEnd(headers);
    this.agreement.settleAnswer(kept);
    this.stream.sendInterim({ status, headers: kept });
  }

  /**
   * Sends the final head, as the local service gave it. `headers` belong to the answer from now on. `end`: no
   * body follows, the answer is complete.
   */
  sendHead(status: number, headers: RawHeaders, end: boolean): void {
    const protocol = status === 101 ? (headerValue(headers, "upgrade") ?? "") : undefined;
    const kept = keepEndToEnd(headers);
    this.agreement.settleAnswer(kept);
    if (protocol !== undefined) kept.push("Connection", "Upgrade", "Upgrade", protocol);
    if (!this.agreement.concernsBody(status, kept)) this.stream.sendHead({ status, headers: kept }, end);
    // The body that a GET would get is not known, and fields that depend on it may be left out (RFC 9110
    // section 9.3.2).
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

  /** Sends the held answer, with another body (true) or as it is (false). */
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

  /** Sends the held answer as it is, and returns whether more may be written. */
  #release(): boolean {
    if (this.#held === undefined) return true;
    const { status, headers, body } = this.#held;
    this.#held = undefined;
    this.stream.sendHead({ status, headers });
    return body.length === 0 || this.stream.write(body);
  }

  /** The answer is complete. The rest of the request's body is not wanted (PROTOCOL.md, section 3). */
  complete(): void {
    this.#isOver = true;
    this.stream.reset("no_error");
  }

  /** Cuts the answer off: the visitor gets an error, or a response that is visibly incomplete. */
  fail(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // The visitor gets the part that came, as he would without the tunnel.
    this.#release();
    this.stream.reset(failure.code, failure.message);
  }

  /** The stream was cut, or both directions of an upgraded connection have ended. */
  stop(): void {
    this.#isOver = true;
  }
}
