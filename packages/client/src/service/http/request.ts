import { headerValue, isBodyless } from "mcp-tunnel-protocol";
import type { RawHeaders, StreamHandler, StreamReset } from "mcp-tunnel-protocol";
import { RequestBody } from "./body.js";
import type { LocalConnection } from "./connection.js";
import { upstreamFailure } from "./errors.js";
import type { Exchange } from "./exchange.js";
import { localHeaders } from "./headers.js";
import type { LocalClient, LocalHandler } from "./local-client.js";
import { sendRaw } from "./raw-request.js";
import type { Upstream } from "./upstream.js";

/**
 * How long the first byte of a body may take before the head is sent without it. undici writes the head together with
 * the first of the body; a visitor that waits for an answer before it sends any would wait for ever. Most bodies
 * arrive together with their head, so this passes unnoticed.
 */
const firstByteTimeoutMs = 25;

/** A body this small that comes whole is given to the connection at once, in bytes: it does not wait for more than that. */
const smallBodyBytes = 16_384;

/** Methods that a proxy may repeat by itself: those idempotent by RFC 9110 section 9.2.2, and safe ones of other registrations. */
const repeatableMethods: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"],
  ...["PROPFIND", "REPORT", "SEARCH", "QUERY"],
]);

/** What undici says when the service has closed or reset the connection. */
const closedCodes: ReadonlySet<string> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/**
 * An ordinary request, sent with undici over a kept-alive connection.
 *
 * Not carried: trailers of a request that did not announce them. undici cannot send any (RFC 9110 section 6.5.1 lets a
 * recipient drop them).
 */
export class LocalRequest implements StreamHandler {
  readonly exchange: Exchange;
  readonly upstream: Upstream;
  /** How to speak to undici about the request that it has on a connection. */
  control: { abort(error: Error): void; resume(): void } | undefined;
  #body: RequestBody | undefined;
  /** The whole body, of a request that may have to be repeated. */
  #whole: Buffer | null = null;
  #sent = false;
  #isRepeated = false;
  #givenUp = false;
  #firstByteTimer: NodeJS.Timeout | undefined;
  #raw: StreamHandler | undefined;

  constructor(exchange: Exchange, upstream: Upstream, end: boolean) {
    this.exchange = exchange;
    this.upstream = upstream;
    if (end) this.#send(null);
    else this.#firstByteTimer = setTimeout(() => this.#sendHeadAlone(), firstByteTimeoutMs);
  }

  onData(chunk: Buffer, last: boolean): void {
    if (this.#raw !== undefined) {
      this.#raw.onData(chunk, last);
      return;
    }
    this.exchange.requestBytes += chunk.length;
    if (this.#body !== undefined) {
      this.#body.push(chunk);
    } else if (this.#sent) {
      this.exchange.stream.consumed(chunk.length);
    } else if (last && chunk.length <= smallBodyBytes) {
      // The whole body at once: no iteration, one write.
      if (repeatableMethods.has(this.exchange.head.method)) this.#whole = chunk;
      this.#send(chunk);
      this.exchange.stream.consumed(chunk.length);
    } else {
      this.#body = new RequestBody(this.exchange.stream);
      this.#body.push(chunk);
      this.#send(this.#body);
    }
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#raw !== undefined) this.#raw.onEnd(trailers);
    else if (this.#body !== undefined) this.#body.end();
    else if (!this.#sent) this.#send(null);
  }

  onReset(reason: StreamReset): void {
    if (this.#raw !== undefined) {
      this.#raw.onReset(reason);
      return;
    }
    clearTimeout(this.#firstByteTimer);
    this.exchange.cancelled(reason);
    this.#body?.abandon(reason);
    this.control?.abort(reason);
    if (this.control !== undefined || !this.#sent) return;
    this.#givenUp = true;
    this.upstream.givenUp.count += 1;
  }

  /** undici has a connection for the request, or will have none. */
  connectionMade(): void {
    if (this.#givenUp) this.upstream.givenUp.count -= 1;
    this.#givenUp = false;
  }

  onDrain(): void {
    if (this.#raw !== undefined) {
      this.#raw.onDrain?.();
      return;
    }
    // Not at once: this may be called from within undici's parser, which cannot be entered twice.
    queueMicrotask(() => this.control?.resume());
  }

  /** The exchange has failed for what the service answered: the rest of that is not wanted. */
  stop(): void {
    const error = new Error("the answer cannot be passed on");
    this.stopBody(error);
    this.control?.abort(error);
  }

  /** The response is complete, or there will be none (`error`): no more of the body is wanted. */
  stopBody(error?: Error): void {
    this.#body?.abandon(error ?? new Error("the local service has answered in full"));
  }

  /**
   * Sends again what met the end of a connection that the service had closed as idle: the close crosses the request on the way.
   * Once, over a new connection, and only what may be repeated (RFC 9112 section 9.3.1).
   */
  repeat(error: Error): boolean {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (this.#isRepeated || this.#body !== undefined || !closedCodes.has(code)) return false;
    if (!repeatableMethods.has(this.exchange.head.method)) return false;
    this.#isRepeated = true;
    this.control = undefined;
    this.#send(this.#whole);
    return true;
  }

  #send(body: RequestBody | Buffer | null): void {
    clearTimeout(this.#firstByteTimer);
    this.#sent = true;
    const { head } = this.exchange;
    this.upstream.pool.dispatch(
      {
        method: head.method,
        path: head.path,
        headers: localHeaders(head, this.upstream, this.exchange.agreement),
        // undici takes every async iterable; its types name only some.
        body: body as Buffer | null,
        // Only ever one request on a connection, so that none waits behind another.
        blocking: true,
      },
      new LocalResponse(this, this.#isRepeated),
    );
  }

  #sendHeadAlone(): void {
    this.#raw = sendRaw(this.exchange, this.upstream, false);
  }
}

/**
 * What undici tells of the response, passed on as it comes. The older form of its handler: the newer one parses every head
 * into an object that nobody here looks at (measured: a twentieth of a busy client's CPU time).
 */
class LocalResponse implements LocalHandler {
  readonly isRepeated: boolean;
  client: LocalClient | undefined;
  readonly #request: LocalRequest;
  readonly #exchange: Exchange;
  #ended = false;
  #connection: LocalConnection | undefined;
  /** Bytes of the body that are to come, if the head tells its length. */
  #left = Number.POSITIVE_INFINITY;

  constructor(request: LocalRequest, isRepeated: boolean) {
    this.#request = request;
    this.#exchange = request.exchange;
    this.isRepeated = isRepeated;
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#request.connectionMade();
    this.#connection = this.client?.connection;
    this.#connection?.begin();
    this.#request.control = { abort, resume: () => {} };
    // The visitor left while the connection was being made.
    if (this.#exchange.finished) abort(new Error("the visitor went away"));
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    const headers = rawStrings(rawHeaders);
    if (status < 200) {
      this.#exchange.sendInterim(status, headers);
      return true;
    }
    if (this.#request.control !== undefined) this.#request.control.resume = resume;
    if (this.#connection !== undefined) this.#connection.resume = resume;
    this.#ended = isBodyless(this.#exchange.head.method, status);
    const withheld = this.#connection?.responses.withheldLength;
    if (withheld !== undefined) headers.push("Content-Length", withheld);
    const length = headerValue(headers, "content-length");
    if (length !== undefined) this.#left = Number(length);
    if (!this.#exchange.sendHead(status, headers, this.#ended)) this.#request.stop();
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.#left -= chunk.length;
    // Not after the last byte, when nothing more comes to be held up: undici would not see that the response is complete, and
    // take the close of an idle connection, 5 s later with Node's servers, for the end of one that is not.
    return this.#exchange.write(chunk) || this.#left === 0 || this.#connection?.ended === true;
  }

  onComplete(trailers: Buffer[] | string[] | null): void {
    this.#connection?.finish();
    if (!this.#ended) {
      const isEmpty = trailers === null || trailers.length === 0;
      this.#exchange.end(isEmpty ? undefined : rawStrings(trailers as Buffer[]));
    }
    this.#request.stopBody();
    this.#exchange.answered();
  }

  onError(error: Error): void {
    this.#request.connectionMade();
    if (this.#exchange.finished) return;
    const connected = this.#request.control !== undefined;
    if (this.#connection?.mayHaveBeenIdle === true && this.#request.repeat(error)) return;
    this.#request.stopBody(error);
    this.#exchange.fail(upstreamFailure(error, this.#request.upstream.target, connected));
  }
}

/** HTTP/1.1 heads are bytes; one character each keeps them as they are. */
function rawStrings(raw: Buffer[]): RawHeaders {
  const headers: RawHeaders = new Array<string>(raw.length);
  for (let i = 0; i < raw.length; i++) headers[i] = (raw[i] as Buffer).toString("latin1");
  return headers;
}
