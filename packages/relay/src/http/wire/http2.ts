import { createHash, randomBytes } from "node:crypto";
import { constants, type OutgoingHttpHeaders, sensitiveHeaders, type ServerHttp2Stream } from "node:http2";
import {
  endToEndHeaders,
  FieldNames,
  headerValue,
  type RawHeaders,
  type ResponseHead,
} from "mcp-tunnel-protocol";
import { InterimHeads } from "./interim.js";
import { linger } from "../linger.js";
import { areHeadersValid, lengthField, notATunnels, notInInterim } from "../response-head.js";
import type { Guard, UnwantedBody, VisitorRequest, VisitorResponse } from "../message.js";

const { NGHTTP2_NO_ERROR } = constants;

/** A request over HTTP/2, in the form of a request over HTTP/1.1. */
export class Http2Request implements VisitorRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersion = "2.0";
  readonly rawHeaders: RawHeaders;
  readonly remoteAddress: string;
  readonly scheme = "https";
  readonly isMultiplexed = true;
  rawTrailers: RawHeaders = [];
  /** The protocol that an extended CONNECT asks for (RFC 8441). */
  readonly protocol: string | undefined;
  readonly #stream: ServerHttp2Stream;

  /** `fields` are as Node hands them out, pseudo fields first. */
  constructor(stream: ServerHttp2Stream, fields: RawHeaders, remoteAddress: string) {
    this.#stream = stream;
    this.remoteAddress = remoteAddress;
    const { pseudo, headers } = toHttp1(fields);
    this.protocol = pseudo[":protocol"];
    this.method = pseudo[":method"] ?? "";
    this.url = pseudo[":path"] ?? "";
    this.rawHeaders = headers;
    if (this.protocol !== undefined) {
      this.method = "GET";
      // The local service speaks the handshake of HTTP/1.1, which the visitor does not take part in.
      const key = randomBytes(16).toString("base64");
      headers.push("connection", "upgrade", "upgrade", this.protocol, "sec-websocket-key", key);
    }
    // Nothing follows a head that has ended the request.
    if (stream.endAfterHeaders) return;
    stream.on("trailers", (_trailers: object, _flags: number, raw: RawHeaders) => {
      this.rawTrailers = raw;
    });
  }

  get readableEnded(): boolean {
    return this.#stream.readableEnded;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed;
  }

  get hasUnsizedBody(): boolean {
    // The bytes that follow a CONNECT are no body.
    return this.protocol === undefined && !this.#stream.endAfterHeaders;
  }

  on(event: string, listener: (chunk: Buffer) => void): this {
    this.#stream.on(event, listener);
    return this;
  }

  once(event: string, listener: () => void): this {
    this.#stream.once(event, listener);
    return this;
  }

  off(event: string, listener: (chunk: Buffer) => void): this {
    this.#stream.off(event, listener);
    return this;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** This costs only the stream (RFC 9113 section 8.1). */
  abandon(): void {
    this.#stream.close(NGHTTP2_NO_ERROR);
  }
}

/**
 * For how many looks at an unchanged backlog a changed window counts as progress: ten times as long as a
 * visitor may take nothing.
 */
const maxWindowLooks = 20;

/** The response to a request over HTTP/2. */
export class Http2Response implements VisitorResponse {
  statusCode = 200;
  /** This has no effect: a session is ended as a whole. */
  shouldKeepAlive = true;
  readonly takesTrailers: boolean;
  readonly #request: Http2Request;
  readonly #stream: ServerHttp2Stream;
  /** Made at its first use, because few responses have interim heads. */
  #interim: InterimHeads | undefined;
  /** How many bytes waited at the last look. `#looks`: how often in a row the number was the same. */
  #waiting = -1;
  #looks = 0;
  #ended = false;
  #switched = false;
  #trailers: OutgoingHttpHeaders = {};
  #onClose: (() => void) | undefined;

  /** `guard` runs the events of the stream. */
  constructor(request: Http2Request, stream: ServerHttp2Stream, guard: Guard) {
    this.#request = request;
    this.#stream = stream;
    // Only for a visitor who wants trailers: they hardly ever come, and holding back the end of a body for
    // them costs a frame.
    this.takesTrailers = headerValue(request.rawHeaders, "te")?.toLowerCase().includes("trailers") === true;
    stream.on("finish", () => guard(this.#onFinish));
    if (!this.takesTrailers) return;
    stream.on("wantTrailers", () => guard(() => stream.sendTrailers(this.#trailers)));
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  /**
   * Node's `writableFinished` alone does not tell: it is true as well for a stream that the visitor has
   * reset. And a stream that ends in order may close a moment before it is finished.
   */
  get isWhole(): boolean {
    const { writableFinished, destroyed, rstCode } = this.#stream;
    return this.#ended && (writableFinished || destroyed) && rstCode === NGHTTP2_NO_ERROR;
  }

  /** Calls at once: everything that follows on the stream waits for the response by itself. */
  onceWritten(listener: () => void): void {
    listener();
  }

  get backlog(): number {
    return this.#stream.bufferSize;
  }

  takenMark(): number {
    // Bytes that were written in one go count until all of them have left. Meanwhile the session's window
    // shows progress, but not for ever: a visitor can change the window without taking anything.
    const { bufferSize, session } = this.#stream;
    this.#looks = bufferSize === this.#waiting ? this.#looks + 1 : 0;
    this.#waiting = bufferSize;
    return -bufferSize - (this.#looks > maxWindowLooks ? 0 : (session?.state.remoteWindowSize ?? 0));
  }

  writeContinue(): void {
    this.#sendInterim(100, []);
  }

  sendInterim(head: ResponseHead): void {
    // This counts everything that waits in the session, because heads leave it in their order.
    const isAllSent = this.#stream.session?.state.outboundQueueSize === 0;
    this.#interim ??= new InterimHeads();
    if (!this.#interim.admit(head, isAllSent)) return;
    if (head.status < 102 || head.status > 199 || !areHeadersValid(head.headers)) return;
    this.#sendInterim(head.status, endToEndHeaders(head.headers, notInInterim));
  }

  writeHead(status: number, headers: RawHeaders): void {
    // To a CONNECT, a 2xx would say that the other protocol has begun (RFC 9110 section 9.3.6). A receiver
    // that does not know a status above 599 takes it for a 5xx (section 15), and Node sends no such status
    // over HTTP/2.
    this.statusCode =
      this.#request.protocol !== undefined && status < 300 ? 502 : status > 599 ? 500 : status;
    if (this.destroyed) return;
    // Node ends the stream of a 205 as well, so a length in the head would be a lie.
    const kept = status === 205 ? endToEndHeaders(headers, lengthField) : headers;
    this.#stream.respond(toHttp2(this.statusCode, kept), { waitForTrailers: this.takesTrailers });
  }

  /** Does nothing, because a head does not wait. */
  flushHeaders(): void {}

  write(chunk: Buffer): boolean {
    // Node has ended the body itself if the status allows none.
    if (this.destroyed || this.#stream.writableEnded) return true;
    return this.#stream.write(chunk);
  }

  addTrailers(trailers: readonly [string, string][]): void {
    this.#trailers = toHttp2(undefined, trailers.flat());
  }

  end(chunk?: Buffer): void {
    this.#ended = true;
    if (this.#stream.writableFinished) queueMicrotask(this.#onFinish);
    else if (!this.#stream.writableEnded) this.#stream.end(chunk);
  }

  endEarly(payload: Buffer, body: UnwantedBody, guard: Guard): void {
    this.end(payload);
    // Nobody reads the request, so #onFinish abandons it.
    if (body === "unsent") return;
    linger(this.#request, (ended) => {
      if (!ended) guard(() => this.#request.abandon());
    });
  }

  switchProtocols(_protocol: string, headers: RawHeaders): boolean {
    if (this.#request.protocol === undefined || this.destroyed) return false;
    // The visitor has no key to check the answer with. The relay, which sent the key, checks it (RFC 6455
    // section 4.1).
    const key = headerValue(this.#request.rawHeaders, "sec-websocket-key") ?? "";
    if (headerValue(headers, "sec-websocket-accept") !== acceptOf(key)) return false;
    this.#switched = true;
    this.statusCode = 200;
    this.#stream.respond(toHttp2(200, endToEndHeaders(headers, noHandshake)));
    return true;
  }

  /** Resets the stream by an error: `close` would end the body first, as if it were whole. */
  cut(): void {
    this.#stream.destroy(new Error("the response was cut"));
  }

  on(event: "error", listener: () => void): this {
    this.#stream.on(event, listener);
    return this;
  }

  once(event: "drain", listener: () => void): this {
    this.#stream.once(event, listener);
    return this;
  }

  watchClose(listener: () => void): void {
    this.#onClose = listener;
    this.#stream.on("close", listener);
  }

  unwatchClose(listener: () => void): void {
    this.#onClose = undefined;
    this.#stream.off("close", listener);
  }

  #sendInterim(status: number, headers: RawHeaders): void {
    if (!this.destroyed && !this.headersSent) this.#stream.additionalHeaders(toHttp2(status, headers));
  }

  /** The response is out. The stream may stay open for the rest of the request, if anybody wants it. */
  readonly #onFinish = (): void => {
    if (!this.#ended || this.#switched) return;
    this.#onClose?.();
    const isRead = this.#request.protocol === undefined && this.#stream.listenerCount("data") > 0;
    if (!isRead && !this.#stream.endAfterHeaders) this.#request.abandon();
  };
}

/** The fields as HTTP/1.1 has them (RFC 9113 section 8). */
function toHttp1(fields: RawHeaders): { pseudo: Record<string, string>; headers: RawHeaders } {
  const pseudo: Record<string, string> = {};
  const headers: RawHeaders = [];
  let cookieAt: number | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name.startsWith(":")) {
      pseudo[name] = value;
      // A Host that says something else stays as well. Then there are two, and the request is refused.
      if (name === ":authority") headers.push("host", value);
    } else if (name === "host" && value === pseudo[":authority"]) {
      // The `:authority` has said the same already.
    } else if (name === "cookie" && cookieAt !== undefined) {
      // A cookie is in pieces only for the sake of compression (section 8.2.3).
      headers[cookieAt] += `; ${value}`;
    } else {
      if (name === "cookie") cookieAt = headers.length + 1;
      headers.push(name, value);
    }
  }
  return { pseudo, headers };
}

/** Fields of the connection; Node refuses to send them (RFC 9113 section 8.2.2). */
const notInHttp2 = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
/**
 * Fields that do not survive being joined with commas. Others are joined: Node refuses to send some twice.
 */
const keptApart = new Set(["set-cookie", "www-authenticate", "proxy-authenticate"]);

/**
 * Fields whose value is another in each response. In the table with which HTTP/2 compresses heads (RFC 7541
 * section 2.3.2), such values would push out the values that come again. Besides, nghttp2 looks for a value
 * among all that the table has of the same name, which took a tenth of the time of a short response.
 */
const neverTheSame = ["x-request-id"];

/** The fields as Node takes them for HTTP/2. `status` is left out for trailers. */
function toHttp2(status: number | undefined, headers: RawHeaders): OutgoingHttpHeaders {
  const fields = Object.create(null) as OutgoingHttpHeaders & Record<symbol, readonly string[]>;
  fields[sensitiveHeaders] = neverTheSame;
  if (status !== undefined) fields[":status"] = status;
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    const value = headers[i + 1] as string;
    const earlier = fields[name];
    if (notInHttp2.has(name)) continue;
    if (earlier === undefined) fields[name] = keptApart.has(name) ? [value] : value;
    else if (Array.isArray(earlier)) earlier.push(value);
    else fields[name] = `${String(earlier)}, ${value}`;
  }
  return fields;
}

function acceptOf(key: string): string {
  // The constant of RFC 6455 section 1.3.
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** Fields that belong only to the handshake of HTTP/1.1 (RFC 8441 section 5), or that no tunnel may send. */
const noHandshake = new FieldNames(["content-length", "sec-websocket-accept", ...notATunnels]);
