import type {
  AcceptedStream,
  RawHeaders,
  RequestHead,
  StreamHandler,
  StreamReset,
} from "mcp-tunnel-protocol";
import { messageOf, OpenList } from "mcp-tunnel-shared";
import type { Linked } from "mcp-tunnel-shared";
import { Agreement } from "../http/agreement/agreement.js";
import { termsPerTunnel } from "../http/agreement/terms.js";
import type { Terms } from "../http/agreement/terms.js";
import { Answer } from "../http/answer.js";
import { RequestBody } from "../http/body.js";
import { clientClosed } from "../http/errors.js";
import { headerPolicy } from "../http/headers.js";
import type { HeaderPolicy } from "../http/headers.js";
import type { ForwardingOptions } from "../http/policies.js";
import type { PerTunnel } from "../per-tunnel.js";
import type { ServedTunnel, Service } from "../service.js";
import { awaitsContinue, isForbiddenMethod, takesBody, webRequest } from "./web-request.js";

/** A request handler in the web's form, as `TunnelClientOptions.fetch` takes it. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** The parts that all exchanges of a service share. */
interface Handling {
  readonly fetch: FetchHandler;
  readonly policy: HeaderPolicy;
  readonly open: OpenList<FetchExchange>;
}

/** Has a function of this program answer each request, with no HTTP in between. */
export class FetchService implements Service {
  readonly #handling: Handling;
  readonly #terms: PerTunnel<Terms>;

  constructor(fetch: FetchHandler, options: ForwardingOptions) {
    this.#handling = { fetch, policy: headerPolicy(options), open: new OpenList() };
    this.#terms = termsPerTunnel(options);
  }

  /** Handlers that are at work, also for visitors who have left, and answers that are on their way. */
  get open(): number {
    return this.#handling.open.size;
  }

  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler {
    const answer = new Answer(stream, head, new Agreement(this.#terms.of(tunnel), head));
    const exchange = new FetchExchange(answer, end, tunnel);
    void exchange.run(this.#handling);
    return exchange;
  }

  /** A handler that does not heed its signal goes on: nothing can stop it. */
  async close(): Promise<void> {
    for (const exchange of this.#handling.open.toArray()) exchange.cut();
  }
}

/** One request, from its head to the last byte that the handler has for it. */
class FetchExchange implements StreamHandler, Linked<FetchExchange> {
  previous: FetchExchange | undefined;
  next: FetchExchange | undefined;
  readonly #answer: Answer;
  readonly #tunnel: ServedTunnel;
  /** Undefined if there is no body, or none that a Request could have. */
  readonly #body: RequestBody | undefined;
  readonly #abort = new AbortController();
  /**
   * Kept while the handler is at work. Node's Request has a signal of its own, which is not aborted any more
   * once the Request has been collected, though a handler may hold the signal alone.
   */
  #request: Request | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Ends the wait for the visitor to take more. */
  #onDrained: (() => void) | undefined;

  constructor(answer: Answer, end: boolean, tunnel: ServedTunnel) {
    this.#answer = answer;
    this.#tunnel = tunnel;
    const { method, upgrade } = answer.head;
    if (!end && upgrade !== true && takesBody(method)) this.#body = new RequestBody(answer.stream);
  }

  onData(chunk: Buffer): void {
    if (this.#body === undefined) this.#answer.stream.consumed(chunk.length);
    else this.#body.push(chunk);
  }

  onEnd(): void {
    this.#body?.end();
  }

  onReset(reason: StreamReset): void {
    this.#answer.stop();
    this.#stop(reason);
  }

  onDrain(): void {
    this.#onDrained?.();
  }

  cut(): void {
    const closed = clientClosed();
    this.#answer.fail({ code: "upstream_failed", message: closed.message });
    this.#stop(closed);
  }

  /** Has the handler answer. Never rejects. */
  async run({ fetch, policy, open }: Handling): Promise<void> {
    open.add(this);
    const { method, headers } = this.#answer.head;
    try {
      // The 100 goes out at once, as with Node's servers. A handler may answer with a body that it makes of
      // the request's body: a 100 that waited for the first read would come after the final head.
      if (this.#body !== undefined && awaitsContinue(headers)) this.#answer.sendInterim(100, []);
      if (isForbiddenMethod(method)) this.#refuseMethod();
      else {
        this.#request = webRequest(this.#answer, policy, this.#body, this.#abort.signal);
        await this.#send(await fetch(this.#request));
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      open.delete(this);
    }
  }

  /** RFC 9110 section 15.6.2. */
  #refuseMethod(): void {
    this.#answer.sendHead(501, [], true);
    this.#answer.complete();
  }

  async #send(response: unknown): Promise<void> {
    if (!isResponse(response)) throw new TypeError("the request handler returned no Response");
    const { status, body } = response;
    // The visitor left, or the client is closing.
    if (this.#answer.isOver) {
      drop(body);
      return;
    }
    if (!(status >= 200 && status <= 999))
      throw new TypeError(`a response of status ${status} cannot be sent`);
    // RFC 9110 section 6.4.1. A Response whose status allows no body has none.
    const isBodiless = body === null || this.#answer.head.method === "HEAD";
    // Before the head: a body that was read before is an error that the visitor can still be told.
    const reader = isBodiless ? undefined : unreadBody(response, body).getReader();
    this.#reader = reader;
    this.#answer.sendHead(status, rawHeaders(response.headers), isBodiless);
    if (reader === undefined) drop(body);
    else await this.#sendBody(reader);
    this.#body?.abandon(new Error("the request has been answered in full"));
    if (!this.#answer.isOver) this.#answer.complete();
  }

  async #sendBody(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#answer.isOver) return;
      if (done) break;
      if (!(value instanceof Uint8Array)) throw new TypeError("a chunk of the body is not a Uint8Array");
      const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      // A wire may cut the stream for what was written last.
      if (!this.#answer.write(chunk) && !this.#answer.isOver) await this.#drained();
    }
    this.#answer.end(undefined);
  }

  /** Resolves when more may be written, or when nobody waits for the answer any more. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  /** Only this program may know what the handler threw. */
  #fail(error: unknown): void {
    // A handler that breaks off once its visitor has left does what its signal asks.
    if (this.#answer.isOver) return;
    this.#tunnel.fault(error);
    this.#answer.fail({ code: "upstream_failed", message: "the request handler failed" });
    this.#stop(error);
  }

  /** Nobody waits for the answer any more. */
  #stop(reason: unknown): void {
    const message = messageOf(reason);
    const error = reason instanceof Error ? reason : new Error(message);
    this.#body?.abandon(error);
    this.#abort.abort(new DOMException(message, "AbortError"));
    drop(this.#reader, error);
    this.#onDrained?.();
  }
}

/** Not by its class: libraries have their own (undici, polyfills). */
function isResponse(value: unknown): value is Response {
  return typeof value === "object" && value !== null && "status" in value && "headers" in value;
}

/** As service workers have it (Service Workers, "Handle Fetch"): neither disturbed nor locked. */
function unreadBody({ bodyUsed }: Response, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  if (bodyUsed) throw new TypeError("the body of the response has been read before");
  return body;
}

/** Tells the source of a body that nobody wants the rest. Nobody waits for it, or for its failure, either. */
function drop(body: Pick<ReadableStream, "cancel"> | null | undefined, reason?: Error): void {
  body?.cancel(reason).catch(() => {});
}

function rawHeaders(headers: Headers): RawHeaders {
  const raw: RawHeaders = [];
  for (const [name, value] of headers) raw.push(name, value);
  return raw;
}
