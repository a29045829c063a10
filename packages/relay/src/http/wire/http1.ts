import { IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
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

/** A request over HTTP/1. */
export class Http1Request extends IncomingMessage implements VisitorRequest {
  /** The parser has found `Connection: upgrade` and `Upgrade`, or a CONNECT. */
  #offersUpgrade = false;
  #isUpgrade: boolean | undefined;

  /**
   * Read by Node before it goes on behind the head: true makes it hand the connection over, false has it read
   * a body as of any request. An upgrade that is offered with a body is ignored (RFC 9110 section 7.8), since
   * the body could not be told from what follows in the new protocol; so is one to what no tunnel carries.
   */
  get upgrade(): boolean {
    if (!this.#offersUpgrade) return false;
    this.#isUpgrade ??=
      this.method === "CONNECT" ||
      (carriedProtocols(this.rawHeaders) !== "" && !declaredBody(this, false).isPresent);
    return this.#isUpgrade;
  }

  /** Written by Node: in its constructor, before this class has fields, then with what the parser says. */
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

  abandon(): void {
    closeGently(this.socket);
  }
}

/** The response to a request over HTTP/1. */
export class Http1Response extends ServerResponse<Http1Request> implements VisitorResponse {
  #watchesConnection = false;
  #isWhole = false;
  /** It comes with its first use: few responses have interim heads. */
  #interim: InterimHeads | undefined;

  get takesTrailers(): boolean {
    return this.chunkedEncoding;
  }

  /** Node's own word does not help: a response is finished as well when its connection was destroyed with what waited in it. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Called when Node has handed the response over, and by whoever does that in its place. */
  override detachSocket(socket: Socket): void {
    this.#isWhole = !socket.destroyed;
    super.detachSocket(socket);
  }

  onceWritten(listener: () => void): void {
    if (this.writableFinished) listener();
    else this.once("finish", listener);
  }

  takenMark(): number {
    // An earlier answer goes first over the same connection, which is read meanwhile. Node reads it no more when too much
    // waits; then it is the visitor who has to take something.
    return this.socket === null && !this.req.socket.isPaused() ? performance.now() : -this.backlog;
  }

  get backlog(): number {
    // The connection's own count moves only when everything written in one go has left. What the kernel has taken of that
    // is what Node's own socket timeout goes by.
    const handle = (this.socket as { _handle?: { writeQueueSize?: number } } | null)?._handle;
    return this.writableLength + (handle?.writeQueueSize ?? 0);
  }

  /**
   * Node can only send a 102 without fields and a 103 with `Link`, so the head is written to the connection directly.
   * Interim heads are optional: where they cannot go they are dropped.
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
    // The answer goes out whole; the connection is closed, or free for the next request, after the rest was read.
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
    // Where the end of the connection is the end of the body, only a reset says that it was not the end.
    const delimitedByClose = !this.chunkedEncoding && !hasLength;
    // Before its turn it would wait for that, on a connection that Node has stopped to read because of what waits.
    if (this.socket === null && this.req.socket.isPaused()) this.req.socket.destroy();
    if (delimitedByClose && this.socket !== null && isResettable(this.socket)) this.socket.resetAndDestroy();
    else this.destroy();
  }

  watchClose(listener: () => void): void {
    this.on("close", listener);
    // A pipelined request has no connection of its own until those before it are answered, and hears of no close.
    if (this.socket !== null) return;
    this.#watchesConnection = true;
    this.req.socket.once("close", listener);
  }

  unwatchClose(listener: () => void): void {
    if (this.#watchesConnection) this.req.socket.off("close", listener);
  }
}

/**
 * Node resets connections of TCP only, and not while an end waits to be written. Over TLS it is the missing goodbye that says
 * that the body is not whole (RFC 8446 section 6.1).
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
