import { IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import {
  carriedProtocols,
  endToEndHeaders,
  headerValue,
  type RawHeaders,
  type ResponseHead,
} from "mcp-tunnel-protocol";
import { closeGently } from "../../net/closing.js";
import { InterimHeads } from "./interim.js";
import { linger } from "../linger.js";
import { declaredBody } from "../declared-body.js";
import { areHeadersValid, notInInterim, notInSwitch } from "../response-head.js";
import type { Guard, UnwantedBody, VisitorRequest, VisitorResponse } from "../message.js";

const { _dump: nodesDump } = IncomingMessage.prototype as IncomingMessage & { _dump?: () => void };

/** A request over HTTP/1. */
export class Http1Request extends IncomingMessage implements VisitorRequest {
  /** The parser has found `Connection: upgrade` and `Upgrade`, or a CONNECT. */
  #offersUpgrade = false;
  /** The request has no body, and its response is out. */
  #isOver = false;
  #isUpgrade: boolean | undefined;

  /**
   * Node reads this before it goes on behind the head. If it is true, Node hands the connection over. If it
   * is false, Node reads a body as for any request. An upgrade that is offered with a body is ignored (RFC
   * 9110 section 7.8), because the body could not be told from the bytes of the new protocol. An upgrade to a
   * protocol that no tunnel carries is ignored as well.
   */
  get upgrade(): boolean {
    if (!this.#offersUpgrade) return false;
    this.#isUpgrade ??=
      this.method === "CONNECT" ||
      (carriedProtocols(this.rawHeaders) !== "" && !declaredBody(this, false).isPresent);
    return this.#isUpgrade;
  }

  /**
   * Node writes this in its constructor, before this class has fields, and then with the parser's finding.
   */
  set upgrade(value: unknown) {
    if (#offersUpgrade in this) this.#offersUpgrade = value === true;
  }

  /** An upgrade was offered, and the request is served as if it had not been. */
  get ignoresUpgrade(): boolean {
    return this.#offersUpgrade && !this.upgrade;
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? "";
  }

  get scheme(): "http" | "https" {
    return (this.socket as Partial<TLSSocket>).encrypted === true ? "https" : "http";
  }

  get isMultiplexed(): boolean {
    return false;
  }

  get hasUnsizedBody(): boolean {
    return headerValue(this.rawHeaders, "transfer-encoding") !== undefined;
  }

  /**
   * The stream of a request without a body does not end, because nobody listens to it. Node would end it in
   * six steps of the event loop (measured: a seventh of what the relay allocated for a request).
   */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null && !declaredBody(this, false).isPresent) return false;
    return super.push(chunk, encoding);
  }

  /**
   * Node calls this when the response is out, so that nothing of the request stays unread. Then it lets go of
   * the request, once that has ended.
   */
  _dump(): void {
    if (this.complete && !declaredBody(this, false).isPresent) this.#isOver = true;
    else nodesDump?.call(this);
  }

  static {
    // No accessor of the class, because Node's types call it a plain property.
    Object.defineProperty(Http1Request.prototype, "readableEnded", {
      get(this: Http1Request): boolean {
        return this.#isOver || Reflect.get(Readable.prototype, "readableEnded", this);
      },
    });
  }

  abandon(): void {
    closeGently(this.socket);
  }
}

/** Keeps responses until they are out. */
export interface ResponseKeeper {
  /** The response was handed over to its connection. */
  onOut(response: Http1Response): void;
}

/** The response to a request over HTTP/1. */
export class Http1Response extends ServerResponse<Http1Request> implements VisitorResponse {
  /** Who has to let go of the response once it is out. */
  keeper: ResponseKeeper | undefined;
  #watchesConnection = false;
  #isWhole = false;
  /** Made at its first use, because few responses have interim heads. */
  #interim: InterimHeads | undefined;

  get takesTrailers(): boolean {
    return this.chunkedEncoding;
  }

  /**
   * Node's `writableFinished` does not tell: it is true as well if the connection was destroyed with data
   * waiting in it.
   */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Called when the response was handed over, by Node or by the router in Node's place. */
  override detachSocket(socket: Socket): void {
    this.#isWhole = !socket.destroyed;
    super.detachSocket(socket);
    this.keeper?.onOut(this);
  }

  onceWritten(listener: () => void): void {
    if (this.writableFinished) listener();
    else this.once("finish", listener);
  }

  takenMark(): number {
    // Without a connection of its own the response waits for an earlier one, and that is no stall. But Node
    // no longer reads the connection when too much waits, and then the visitor has to take something.
    return this.socket === null && !this.req.socket.isPaused() ? performance.now() : -this.backlog;
  }

  get backlog(): number {
    // The connection's own count moves only when everything written in one go has left. `writeQueueSize` also
    // shows how much of that the kernel has taken. Node's own socket timeout uses it as well.
    const handle = (this.socket as { _handle?: { writeQueueSize?: number } } | null)?._handle;
    return this.writableLength + (handle?.writeQueueSize ?? 0);
  }

  /**
   * Node can only send a 102 without fields and a 103 with `Link`, so the head is written to the connection
   * directly. Interim heads are optional, so a head that cannot go out is dropped.
   */
  sendInterim(head: ResponseHead): void {
    // No connection: an earlier pipelined request is still being answered. HTTP/1.0 knows no interim heads.
    if (this.socket === null || this.headersSent || this.req.httpVersionMinor === 0) return;
    this.#interim ??= new InterimHeads();
    if (!this.#interim.admit(head, this.socket.writableLength === 0)) return;
    if (head.status < 102 || head.status > 199 || !areHeadersValid(head.headers)) return;
    this.socket.write(headText(head.status, endToEndHeaders(head.headers, notInInterim)), "latin1");
  }

  endEarly(payload: Buffer, body: UnwantedBody, guard: Guard): void {
    if (body === "unsent") {
      this.end(payload);
      return;
    }
    // The whole answer goes out now. Once the rest of the request was read, the connection is closed, or free
    // for the next request.
    if (payload.length > 0) this.write(payload);
    else this.flushHeaders();
    linger(this.req, (ended) => {
      guard(() => {
        if (ended || body === "large") this.end();
        else this.destroy();
      });
    });
  }

  switchProtocols(protocol: string, headers: RawHeaders): boolean {
    const head = ["Connection", "Upgrade", "Upgrade", protocol, ...endToEndHeaders(headers, notInSwitch)];
    this.socket?.write(headText(101, head), "latin1");
    return true;
  }

  cut(hasLength: boolean): void {
    // If the end of the connection marks the end of the body, only a reset shows that the body is not whole.
    const delimitedByClose = !this.chunkedEncoding && !hasLength;
    // A response before its turn would wait for that, on a connection that Node no longer reads because too
    // much waits.
    if (this.socket === null && this.req.socket.isPaused()) this.req.socket.destroy();
    if (delimitedByClose && this.socket !== null && isResettable(this.socket)) this.socket.resetAndDestroy();
    else this.destroy();
  }

  watchClose(listener: () => void): void {
    this.on("close", listener);
    // A pipelined request has no connection of its own until those before it are answered, and hears of no
    // close.
    if (this.socket !== null) return;
    this.#watchesConnection = true;
    this.req.socket.once("close", listener);
  }

  unwatchClose(listener: () => void): void {
    if (this.#watchesConnection) this.req.socket.off("close", listener);
  }
}

/**
 * Node can reset only TCP connections, and not while an end waits to be written. Over TLS the missing
 * `close_notify` shows that the body is not whole (RFC 8446 section 6.1).
 */
function isResettable(socket: Socket): boolean {
  return (socket as Partial<TLSSocket>).encrypted !== true && !socket.writableEnded;
}

/** A head as text; the reason phrase is always the relay's own. */
function headText(status: number, headers: RawHeaders): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n`;
}
