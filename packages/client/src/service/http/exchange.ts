import { endToEndHeaders, endToEndTrailers, headerValue, isEventStreamType } from "mcp-tunnel-protocol";
import type {
  AcceptedStream,
  RawHeaders,
  RequestHead,
  StreamHandler,
  StreamReset,
} from "mcp-tunnel-protocol";
import type { Agreement } from "./agreement/agreement.js";
import { limitText } from "../../refusals.js";
import { HeldAnswer, withoutOwnBytes } from "./agreement/held-answer.js";
import type { UpstreamFailure } from "./errors.js";

/** Handles a stream that was reset as soon as it was accepted: nothing comes on it any more. */
export const ignored: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };

/** What is told of an exchange once it is over. */
export interface RequestEvent {
  /** From the relay, as the rest is: escape control characters before printing it. */
  readonly method: string;
  /** The request target, with its query. */
  readonly path: string;
  /** The status that the visitor got, as far as this end knows; undefined when the exchange ended before one. */
  readonly status: number | undefined;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Why the exchange did not end well. `cancelled`: the visitor went away. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

/** Called once for each exchange. */
export type ExchangeObserver = (event: RequestEvent) => void;

/** One request on its way to the local service: what both ways of sending it have in common. */
export class Exchange {
  requestBytes = 0;
  responseBytes = 0;
  /** The final status, once sent. */
  status: number | undefined;
  readonly stream: AcceptedStream;
  readonly head: RequestHead;
  readonly agreement: Agreement;
  /** An answer whose head goes out with its body, because it depends on it. */
  #held: HeldAnswer | undefined;
  #finished = false;
  readonly #startedAt = performance.now();
  readonly #maxBodyBytes: number;
  readonly #observer: ExchangeObserver;

  /** `maxBodyBytes`: the longest body of a response that the relay passes on; event streams are exempt. */
  constructor(
    stream: AcceptedStream,
    head: RequestHead,
    agreement: Agreement,
    maxBodyBytes: number,
    observer: ExchangeObserver,
  ) {
    this.stream = stream;
    this.head = head;
    this.agreement = agreement;
    this.#maxBodyBytes = maxBodyBytes;
    this.#observer = observer;
  }

  get finished(): boolean {
    return this.#finished;
  }

  sendInterim(status: number, headers: RawHeaders): void {
    // 101 is a final head, and only ever the answer to an upgrade.
    if (!this.#finished && this.status === undefined && status !== 101) {
      const kept = endToEndHeaders(headers);
      this.agreement.settleAnswer(kept);
      this.stream.sendInterim({ status, headers: kept });
    }
  }

  /**
   * Sends the final head, as the local service gave it. `end`: no body follows, the response is complete. False: the relay would not
   * pass the body on, and has been told so; nothing more is to be sent.
   */
  sendHead(status: number, headers: RawHeaders, end: boolean): boolean {
    const kept = endToEndHeaders(headers);
    if (!end && this.#isOverLimit(kept)) return false;
    this.status = status;
    this.agreement.settleAnswer(kept);
    if (status === 101) kept.push("Connection", "Upgrade", "Upgrade", headerValue(headers, "upgrade") ?? "");
    if (!this.agreement.concernsBody(status, kept)) this.stream.sendHead({ status, headers: kept }, end);
    // What a GET would get is not known: what it depends on may be left out (RFC 9110 section 9.3.2).
    else if (end) this.stream.sendHead({ status, headers: withoutOwnBytes(kept) }, end);
    else this.#held = new HeldAnswer(status, kept);
    return true;
  }

  /**
   * The relay answers a body that is announced to be too long with an error. By the time that this end heard of it, it might have
   * sent all of the body, and called the exchange a success.
   */
  #isOverLimit(headers: RawHeaders): boolean {
    const length = headerValue(headers, "content-length");
    if (length === undefined || Number(length) <= this.#maxBodyBytes) return false;
    if (isEventStreamType(headerValue(headers, "content-type") ?? "")) return false;
    const option = limitText({ option: "max-response-body", value: this.#maxBodyBytes, unit: "bytes" });
    this.fail({
      code: "body_too_large",
      message: `its answer of ${length} bytes is over the relay's ${option}`,
    });
    return true;
  }

  /** Sends body bytes; false asks for a pause until the stream drains. */
  write(chunk: Buffer): boolean {
    this.responseBytes += chunk.length;
    if (this.#held === undefined) return this.stream.write(chunk);
    return this.#held.push(chunk) || this.#release();
  }

  /** Ends the response. */
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
    this.responseBytes = settled.length;
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

  /** Everything has been sent. */
  finish(): void {
    this.#finish(undefined);
  }

  /** The response is complete; what is left of the request's body is not wanted (PROTOCOL.md, section 3). */
  answered(): void {
    this.stream.reset("no_error");
    // Later than what the stream still has to tell: that the head, or the trailers, could not travel.
    queueMicrotask(() => this.finish());
  }

  /** Cuts the exchange: the visitor gets an error, or a response that is visibly incomplete. */
  fail(failure: UpstreamFailure): void {
    if (this.#finished) return;
    // As far as it came: a visitor without the tunnel would have it too.
    this.#release();
    if (this.status === undefined) this.status = failure.code === "upstream_timeout" ? 504 : 502;
    this.stream.reset(failure.code, failure.message);
    this.#finish(failure);
  }

  /** The other end cut the exchange. */
  cancelled(reason: StreamReset): void {
    // The relay could not use the head, or the wire not carry it: whatever the service said, the visitor got a 502.
    if (reason.code === "bad_message" && this.status !== undefined) this.status = 502;
    this.#finish(reason.code === "no_error" ? undefined : { code: reason.code, message: reason.message });
  }

  #finish(error: RequestEvent["error"]): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#observer({
      method: this.head.method,
      path: this.head.path,
      status: this.status,
      durationMs: performance.now() - this.#startedAt,
      requestBytes: this.requestBytes,
      responseBytes: this.responseBytes,
      error,
    });
  }
}
