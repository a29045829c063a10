import { headerValue, isBodyless } from "mcp-tunnel-protocol";
import type { RawHeaders, StreamHandler, StreamReset } from "mcp-tunnel-protocol";
import type { Answer } from "./answer.js";
import { RequestBody } from "./body.js";
import type { LocalConnection } from "./connection.js";
import { clientClosed, upstreamFailure } from "./errors.js";
import { localHeaders } from "./headers.js";
import type { LocalClient, LocalHandler } from "./local-client.js";
import { sendRaw } from "./raw-request.js";
import type { PooledRequest, Upstream } from "./upstream.js";

/**
 * How long the first byte of a body may take before the head is sent without it, in milliseconds. undici
 * writes the head together with the first part of the body. So a visitor that waits for an answer before it
 * sends a body would wait for ever. Most bodies arrive together with their head, so this wait passes
 * unnoticed.
 */
const firstByteTimeoutMs = 25;

/**
 * A whole body of at most this many bytes is given to the connection at once. No more than this may wait
 * there.
 */
const smallBodyBytes = 16_384;

/**
 * Methods that a proxy may repeat by itself: the idempotent methods of RFC 9110 section 9.2.2, and safe
 * methods of other registrations.
 */
const repeatableMethods: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"],
  ...["PROPFIND", "REPORT", "SEARCH", "QUERY"],
]);

/** undici's codes for a connection that the service has closed or reset. */
const closedCodes: ReadonlySet<string> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** The progress of a request, which decides where its body goes. */
type Mode =
  /** The body is still to come, and the head waits for its first part. */
  | { readonly name: "awaiting body"; readonly timer: NodeJS.Timeout }
  /** Sent with the whole body, which is kept if the request may have to be sent again. */
  | { readonly name: "sent whole"; readonly body: Buffer | null }
  /** Sent, with a body that follows as it comes. */
  | { readonly name: "sending"; readonly body: RequestBody }
  /** Handed over: the request goes out on a connection of its own. */
  | { readonly name: "raw"; readonly request: StreamHandler };

const sentWithoutBody: Mode = { name: "sent whole", body: null };

/**
 * An ordinary request, sent with undici over a kept-alive connection.
 *
 * Trailers of a request that did not announce them are not carried, because undici cannot send any (RFC 9110
 * section 6.5.1 lets a recipient drop them).
 */
export class LocalRequest implements StreamHandler {
  readonly answer: Answer;
  readonly upstream: Upstream;
  /** Takes the request from undici, which has it on a connection. Undefined: it has not. */
  abort: ((error: Error) => void) | undefined;
  /** Has undici go on with the response. */
  resume: (() => void) | undefined;
  #mode: Mode;
  #isRepeated = false;

  constructor(answer: Answer, upstream: Upstream, end: boolean) {
    this.answer = answer;
    this.upstream = upstream;
    if (end) {
      this.#mode = sentWithoutBody;
      this.#send(null);
    } else {
      const timer = setTimeout(() => this.#sendHeadAlone(), firstByteTimeoutMs);
      this.#mode = { name: "awaiting body", timer };
    }
  }

  onData(chunk: Buffer, last: boolean): void {
    const mode = this.#mode;
    switch (mode.name) {
      case "awaiting body":
        clearTimeout(mode.timer);
        if (last && chunk.length <= smallBodyBytes) this.#sendWhole(chunk);
        else this.#sendBeginning(chunk);
        return;
      case "sent whole":
        this.answer.stream.consumed(chunk.length);
        return;
      case "sending":
        mode.body.push(chunk);
        return;
      case "raw":
        mode.request.onData(chunk, last);
    }
  }

  onEnd(trailers: RawHeaders): void {
    const mode = this.#mode;
    switch (mode.name) {
      case "awaiting body":
        clearTimeout(mode.timer);
        this.#mode = sentWithoutBody;
        this.#send(null);
        return;
      case "sent whole":
        return;
      case "sending":
        mode.body.end();
        return;
      case "raw":
        mode.request.onEnd(trailers);
    }
  }

  onReset(reason: StreamReset): void {
    const mode = this.#mode;
    if (mode.name === "raw") {
      mode.request.onReset(reason);
      return;
    }
    this.answer.stop();
    if (mode.name === "awaiting body") clearTimeout(mode.timer);
    else if (mode.name === "sending") mode.body.abandon(reason);
    this.abort?.(reason);
  }

  onDrain(): void {
    const mode = this.#mode;
    if (mode.name === "raw") mode.request.onDrain?.();
    // Later, because this may be called from within undici's parser, which cannot be entered twice.
    else queueMicrotask(() => this.resume?.());
  }

  /** The response is complete, or there will be none (`error`): no more of the body is wanted. */
  stopBody(error?: Error): void {
    if (this.#mode.name !== "sending") return;
    this.#mode.body.abandon(error ?? new Error("the local service has answered in full"));
  }

  /** {@link repeat} may send the request again: it is known whole, and its method allows it. */
  get isRepeatable(): boolean {
    if (this.#isRepeated || this.#mode.name !== "sent whole") return false;
    return repeatableMethods.has(this.answer.head.method);
  }

  /**
   * Sends a request again that met the end of a connection which the service had closed as idle: the close
   * crosses the request on the way. This happens once, over a new connection, and only if the request may be
   * repeated (RFC 9112 section 9.3.1). Returns whether the request was sent.
   */
  repeat(error: Error): boolean {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (this.#mode.name !== "sent whole" || !this.isRepeatable || !closedCodes.has(code)) return false;
    this.#isRepeated = true;
    this.abort = undefined;
    this.resume = undefined;
    this.#send(this.#mode.body);
    return true;
  }

  /** The whole body at once: no iteration, one write. */
  #sendWhole(body: Buffer): void {
    const isKept = repeatableMethods.has(this.answer.head.method);
    this.#mode = isKept ? { name: "sent whole", body } : sentWithoutBody;
    this.#send(body);
    this.answer.stream.consumed(body.length);
  }

  #sendBeginning(chunk: Buffer): void {
    const body = new RequestBody(this.answer.stream);
    this.#mode = { name: "sending", body };
    body.push(chunk);
    this.#send(body);
  }

  #sendHeadAlone(): void {
    this.#mode = { name: "raw", request: sendRaw(this.answer, this.upstream, false) };
  }

  #send(body: RequestBody | Buffer | null): void {
    const { head, agreement } = this.answer;
    if (this.upstream.isClosed) {
      this.answer.fail(upstreamFailure(clientClosed(), this.upstream.target, false));
      return;
    }
    const response = new LocalResponse(this, this.#isRepeated);
    this.upstream.pooled.add(response);
    this.upstream.pool.dispatch(
      {
        method: head.method,
        path: head.path,
        headers: localHeaders(head, this.upstream, agreement),
        // undici takes every async iterable; its types name only some.
        body: body as Buffer | null,
        // Only ever one request on a connection, so that none waits behind another.
        blocking: true,
      },
      response,
    );
    this.upstream.pool.idle.requested();
  }
}

/**
 * Passes on the response as undici reports it. This is the older form of undici's handler. The newer form
 * parses every head into an object that nobody here looks at (measured: a twentieth of a busy client's CPU
 * time).
 */
class LocalResponse implements LocalHandler, PooledRequest {
  previous: PooledRequest | undefined;
  next: PooledRequest | undefined;
  readonly isRepeated: boolean;
  client: LocalClient | undefined;
  readonly #request: LocalRequest;
  readonly #answer: Answer;
  #begun = false;
  #ended = false;
  #connection: LocalConnection | undefined;
  /** Bytes of the body that are to come, if the head tells its length. */
  #left = Number.POSITIVE_INFINITY;

  constructor(request: LocalRequest, isRepeated: boolean) {
    this.#request = request;
    this.#answer = request.answer;
    this.isRepeated = isRepeated;
  }

  get isRepeatable(): boolean {
    return this.#request.isRepeatable;
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#connection = this.client?.connection;
    this.#connection?.begin();
    this.#request.abort = abort;
    // The visitor left while the connection was being made.
    if (this.#answer.isOver) abort(new Error("the visitor went away"));
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    this.#stopWaiting();
    if (status < 200) {
      this.#answer.sendInterim(status, rawStrings(rawHeaders));
      return true;
    }
    const headers = this.#connection?.responses.fields ?? rawStrings(rawHeaders);
    this.#request.resume = resume;
    if (this.#connection !== undefined) this.#connection.resume = resume;
    this.#ended = isBodyless(this.#answer.head.method, status);
    const withheld = this.#connection?.responses.withheldLength;
    if (withheld !== undefined) headers.push("Content-Length", withheld);
    const length = headerValue(headers, "content-length");
    if (length !== undefined) this.#left = Number(length);
    this.#answer.sendHead(status, headers, this.#ended);
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.#left -= chunk.length;
    // undici is not stopped after the last byte, because nothing more comes that could be held up. A stopped
    // undici would not see that the response is complete. It would take the close of the idle connection, 5 s
    // later with Node's servers, for the end of an incomplete response.
    return this.#answer.write(chunk) || this.#left === 0 || this.#connection?.ended === true;
  }

  onComplete(trailers: Buffer[] | string[] | null): void {
    this.#request.upstream.pooled.delete(this);
    this.client?.finish();
    if (!this.#ended) {
      const isEmpty = trailers === null || trailers.length === 0;
      this.#answer.end(isEmpty ? undefined : rawStrings(trailers as Buffer[]));
    }
    this.#request.stopBody();
    this.#answer.complete();
  }

  onError(error: Error): void {
    const { upstream, abort } = this.#request;
    upstream.pooled.delete(this);
    this.#stopWaiting();
    // undici has refused the request before it took the connection.
    if (this.#connection === undefined) this.client?.giveBack();
    // undici makes another connection for a request that was aborted on its own. Nobody would know of it.
    else void this.client?.destroy();
    if (this.#answer.isOver) return;
    if (this.#connection?.mayHaveBeenIdle === true && this.#request.repeat(error)) return;
    this.#request.stopBody(error);
    this.#answer.fail(upstreamFailure(error, upstream.target, abort !== undefined));
  }

  /** The service is closing. */
  async cut(): Promise<void> {
    await this.client?.destroy();
  }

  /** The answer has begun, or will never come. */
  #stopWaiting(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#request.upstream.pool.idle.answered();
  }
}

/** HTTP/1.1 heads are bytes. One character for each byte keeps them as they are. */
function rawStrings(raw: Buffer[]): RawHeaders {
  const headers: RawHeaders = new Array<string>(raw.length);
  for (let i = 0; i < raw.length; i++) headers[i] = (raw[i] as Buffer).toString("latin1");
  return headers;
}
