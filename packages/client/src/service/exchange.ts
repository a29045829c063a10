import { endToEndTrailers, headerValue, isEventStreamType, StreamReset } from "mcp-tunnel-protocol";
import type {
  AcceptedStream,
  RawHeaders,
  RequestHead,
  ResetCode,
  ResponseHead,
  StreamHandler,
} from "mcp-tunnel-protocol";
import { limitText } from "../refusals.js";
import type { GuardedObserver, RequestEvent } from "./observer.js";
import { ignored } from "./service.js";
import type { ServedTunnel, Service } from "./service.js";

/**
 * The state of the answer:
 *
 * ```
 * waiting --head--> answering --end--> answered --the request too--> ending --a moment--> over
 *      any of these --reset, by either end--> over
 * ```
 *
 * `ending`: the head or the trailers that were sent last may turn out not to be fit to travel. The stream
 * says so a moment later.
 */
type State = "waiting" | "answering" | "answered" | "ending" | "over";

/** A microtask after it takes 200 bytes. With `queueMicrotask` Node makes objects of 350 bytes. */
const settled = Promise.resolve();

/**
 * One request and its answer, between the session and any kind of service. To the service it is the stream,
 * and to the session it is the stream's handler. It counts bytes, keeps the answer to the relay's limit,
 * tells an observer, and knows when the exchange is over.
 */
export class Exchange implements AcceptedStream, StreamHandler {
  readonly startedAtMs = performance.now();
  /** The number of the exchange among those of its client. Default: 0, for one that is not counted. */
  number = 0;
  readonly #stream: AcceptedStream;
  readonly #head: RequestHead;
  readonly #tunnel: ServedTunnel;
  readonly #onOver: (exchange: Exchange) => void;
  #observer: GuardedObserver | undefined;
  #service: StreamHandler = ignored;
  #state: State = "waiting";
  #requestEnded: boolean;
  /** The final status, as the visitor gets it. */
  #status: number | undefined;
  #requestBytes = 0;
  #responseBytes = 0;
  #durationMs = 0;
  #error: RequestEvent["error"];

  /** `end`: the request has no body. `onOver` is called once. */
  constructor(
    stream: AcceptedStream,
    head: RequestHead,
    end: boolean,
    tunnel: ServedTunnel,
    onOver: (exchange: Exchange) => void,
  ) {
    this.#stream = stream;
    this.#head = head;
    this.#requestEnded = end;
    this.#tunnel = tunnel;
    this.#onOver = onOver;
  }

  get id(): number {
    return this.#stream.id;
  }

  get head(): RequestHead {
    return this.#head;
  }

  get tunnel(): ServedTunnel {
    return this.#tunnel;
  }

  /** Why the exchange did not end well, once it is over. */
  get error(): RequestEvent["error"] {
    return this.#error;
  }

  /** The report, once the exchange is over. It is made anew with each call: mostly nobody wants one. */
  report(): RequestEvent {
    return {
      method: this.#head.method,
      path: this.#head.path,
      status: this.#status,
      durationMs: this.#durationMs,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      error: this.#error,
    };
  }

  /** Tells `observer` of all that follows. */
  observe(observer: GuardedObserver): void {
    this.#observer = observer;
  }

  /** Hands the request to the service. */
  serve(service: Service): void {
    try {
      const handler: StreamHandler | undefined = service.accept(
        this,
        this.#head,
        this.#requestEnded,
        this.#tunnel,
      );
      if (handler === undefined) throw new TypeError("accept of the service returned no handler");
      this.#service = handler;
    } catch (error) {
      this.#tunnel.fault(error);
      this.reset("internal", "the service failed");
    }
  }

  // ---- from the service

  sendInterim(head: ResponseHead): void {
    if (this.#state !== "waiting") return;
    if (this.#observer !== undefined) this.#observer.onInterim(head);
    this.#stream.sendInterim(head);
  }

  sendHead(head: ResponseHead, end = false): void {
    if (this.#state !== "waiting" || (!end && this.#isOverLimit(head))) return;
    this.#state = "answering";
    this.#status = head.status;
    if (this.#observer !== undefined) this.#observer.onHead(head, end);
    this.#stream.sendHead(head, end);
    if (!end) return;
    if (this.#observer !== undefined) this.#observer.onEnd([]);
    this.#answered();
  }

  write(chunk: Buffer): boolean {
    if (this.#state !== "answering") {
      this.#refuseEarly();
      return true;
    }
    // The wire counts on its length in bytes. Of anything else, a frame would have holes, and in them what
    // this program's memory held before.
    if (!Buffer.isBuffer(chunk)) {
      this.#refuse("internal", "the service sent a body that is not in Buffers");
      return true;
    }
    this.#responseBytes += chunk.length;
    if (this.#observer !== undefined) this.#observer.onData(chunk);
    return this.#stream.write(chunk);
  }

  end(trailers?: RawHeaders): void {
    if (this.#state !== "answering") {
      this.#refuseEarly();
      return;
    }
    if (this.#observer !== undefined) this.#observer.onEnd(trailers ?? []);
    this.#stream.end(trailers);
    this.#answered();
  }

  reset(code: ResetCode, message = ""): void {
    switch (this.#state) {
      case "waiting":
      case "answering":
        this.#fail(code, message);
        return;
      case "answered":
        if (code !== "no_error") {
          this.#fail(code, message);
          return;
        }
        this.#stream.reset(code, message);
        this.#endSoon();
        return;
      case "ending":
      case "over":
        // The answer is complete. The rest of the request, if any, is not wanted.
        if (code === "no_error") this.#stream.reset(code, message);
    }
  }

  consumed(bytes: number): void {
    // Not NaN: it would stay in the session's sums, and no stream had room any more.
    if (bytes > 0) this.#stream.consumed(bytes);
  }

  // ---- from the session

  onData(chunk: Buffer, last: boolean): void {
    this.#requestBytes += chunk.length;
    if (this.#observer !== undefined) this.#observer.onRequestData(chunk);
    this.#service.onData(chunk, last);
  }

  onEnd(trailers: RawHeaders): void {
    this.#requestEnded = true;
    if (this.#observer !== undefined) this.#observer.onRequestEnd(trailers);
    // The relay is not trusted to have dropped fields that do not belong in trailers.
    this.#service.onEnd(trailers.length === 0 ? trailers : endToEndTrailers(trailers));
    if (this.#state === "answered") this.#endSoon();
  }

  onReset(reason: StreamReset): void {
    // The relay could not use the head, or the wire could not carry it. So the visitor got a 502, whatever
    // the service said.
    if (reason.code === "bad_message" && this.#status !== undefined) this.#status = 502;
    this.#finish(reason.code === "no_error" ? undefined : { code: reason.code, message: reason.message });
    this.#service.onReset(reason);
  }

  onDrain(): void {
    this.#service.onDrain?.();
  }

  // ---- ends

  /** The relay would take a body without a head for a fault of the whole session. */
  #refuseEarly(): void {
    if (this.#state === "waiting") this.#refuse("internal", "the service sent a body before its head");
  }

  /**
   * The relay answers with an error if the announced body is too long. The client checks the length as well:
   * before it hears of that error, it might have sent the whole body and called the exchange a success.
   */
  #isOverLimit({ headers }: ResponseHead): boolean {
    const { maxResponseBody } = this.#tunnel;
    const length = headerValue(headers, "content-length");
    if (length === undefined || !(Number(length) > maxResponseBody)) return false;
    if (isEventStreamType(headerValue(headers, "content-type") ?? "")) return false;
    const option = limitText({ option: "max-response-body", value: maxResponseBody, unit: "bytes" });
    this.#refuse("body_too_large", `its answer of ${length} bytes is over the relay's ${option}`);
    return true;
  }

  /**
   * Cuts the exchange because of the service's answer. The service is told later, as a session does with such
   * heads.
   */
  #refuse(code: ResetCode, message: string): void {
    this.#fail(code, message);
    queueMicrotask(() => {
      try {
        this.#service.onReset(new StreamReset(code, message));
      } catch (error) {
        this.#tunnel.fault(error);
      }
    });
  }

  /** The visitor gets an error, or an answer that is visibly incomplete. */
  #fail(code: ResetCode, message: string): void {
    this.#status ??= code === "upstream_timeout" ? 504 : 502;
    this.#stream.reset(code, message);
    this.#finish({ code, message });
  }

  #answered(): void {
    this.#state = "answered";
    if (this.#requestEnded) this.#endSoon();
  }

  #endSoon(): void {
    this.#state = "ending";
    // Later, because the stream may still have to tell that the head, or the trailers, could not travel.
    void settled.then(() => this.#finish(undefined));
  }

  #finish(error: RequestEvent["error"]): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#durationMs = performance.now() - this.startedAtMs;
    this.#error = error;
    if (this.#observer !== undefined) this.#observer.onOver(this.report());
    this.#onOver(this);
  }
}
