import { beginOwnExchange } from "mcp-tunnel-client/own-exchange";
import type { RequestEvent, ServedTunnel, Service } from "mcp-tunnel-client";
import { StreamReset } from "mcp-tunnel-protocol";
import type { AcceptedStream, ResponseHead, StreamHandler } from "mcp-tunnel-protocol";
import { AnswerReader, fieldsOf } from "./question.js";
import type { Answer, Ask, Question } from "./question.js";

/** Addresses for documentation (RFC 5737): no visitor has one. */
const visitorAddress = "192.0.2.1";

/**
 * Asks a service what a visitor of a tunnel at `publicUrl` would ask. The service is told of the visitor as
 * its options want it, as if the request had come through a relay.
 */
export function askService(service: Service, publicUrl: URL): Ask {
  const tunnel: ServedTunnel = {
    url: publicUrl.href,
    origin: publicUrl.origin,
    isForwardedOwn: true,
    isVisitorOwn: true,
    maxResponseBody: Number.POSITIVE_INFINITY,
    warn() {},
    fault() {},
  };
  return (question, signal) => new ServiceVisit(question).run(service, tunnel, signal);
}

/** Streams of sessions have positive ids. */
let lastId = 0;

/** One request to a service, in the place of a stream of a tunnel. */
class ServiceVisit implements AcceptedStream {
  readonly id = (lastId -= 1);
  readonly #question: Question;
  readonly #reader: AnswerReader;
  #handler: StreamHandler | undefined;
  #settle!: { resolve(answer: Answer): void; reject(error: Error): void };
  #isOver = false;

  constructor(question: Question) {
    this.#question = question;
    this.#reader = new AnswerReader(question);
  }

  run(service: Service, tunnel: ServedTunnel, signal: AbortSignal): Promise<Answer> {
    const { method, path, headers = {}, body } = this.#question;
    const { host, protocol } = new URL(tunnel.url);
    const fields = [
      ...["Host", host, "X-Forwarded-For", visitorAddress, "X-Forwarded-Host", host],
      ...["X-Forwarded-Proto", protocol.slice(0, -1), "X-Tunnel-Visitor", visitorAddress],
      ...(body === undefined ? [] : ["Content-Length", String(body.length)]),
      ...Object.entries(headers).flat(),
    ];
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      signal.addEventListener("abort", () => this.#cut(new Error("no answer in time")), { once: true });
      const onOver = (event: RequestEvent): void => this.#onOver(event);
      const head = { method, path, headers: fields };
      const own = { stream: this, head, end: body === undefined, tunnel, observer: {}, onOver };
      this.#handler = beginOwnExchange(service, own);
      if (body !== undefined) this.#handler.onData(body, true);
      this.#handler.onEnd([]);
    });
  }

  sendInterim(): void {}

  sendHead({ status, headers }: ResponseHead): void {
    if (this.#reader.begin({ status, headers: fieldsOf(headers) })) this.#cut();
  }

  write(chunk: Buffer): boolean {
    if (this.#reader.take(chunk)) this.#cut();
    return true;
  }

  end(): void {}
  reset(): void {}
  consumed(): void {}

  #onOver({ error }: RequestEvent): void {
    this.#isOver = true;
    const { answer } = this.#reader;
    if (answer !== undefined) this.#settle.resolve(answer);
    else this.#settle.reject(new Error(error?.message ?? "the service gave no answer"));
  }

  /** The visitor leaves, because he has enough or has waited too long. */
  #cut(error?: Error): void {
    if (error !== undefined) this.#settle.reject(error);
    else if (this.#reader.answer !== undefined) this.#settle.resolve(this.#reader.answer);
    // The service may be in the midst of the call that brought the last piece.
    setImmediate(() => {
      if (this.#isOver) return;
      this.#handler?.onReset(new StreamReset("cancelled", "the doctor has seen enough"));
    });
  }
}
