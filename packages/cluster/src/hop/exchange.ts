import {
  type AcceptedStream,
  type RawHeaders,
  type RequestHead,
  type ResetCode,
  type ResponseHead,
  type StreamHandler,
  type StreamReset,
  type TunnelStream,
} from "mcp-tunnel-protocol";
import type { Linked, OpenList } from "mcp-tunnel-shared";
import type { Route, RouteHandler } from "../route.js";

/**
 * One of the two streams of an exchange, and the handler of its events. Each event goes on to the other
 * stream. Bytes that the other stream takes are returned to this one's peer as credit, and no sooner: so each
 * side is as fast as the other, and only so many bytes are here as the windows allow.
 */
class HopEnd<Stream extends TunnelStream> implements StreamHandler {
  /** Set before the first event. */
  stream!: Stream;
  other!: HopEnd<TunnelStream>;
  /** Bytes that the peer has sent. */
  bytes = 0;
  /** Bytes of them that the other stream holds back. */
  #waiting = 0;
  hasEnded = false;
  /** The reset that follows what waits. */
  #lastWord: StreamReset | undefined;
  protected readonly exchange: HopExchange;

  constructor(exchange: HopExchange) {
    this.exchange = exchange;
  }

  /** All tunnels share the session with the other relay. The tunnel's own session has no other group. */
  get group(): unknown {
    return this.exchange.route;
  }

  onData(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.other.stream.write(chunk)) this.stream.consumed(chunk.length);
    else this.#waiting += chunk.length;
  }

  onEnd(trailers: RawHeaders): void {
    this.hasEnded = true;
    this.other.stream.end(trailers);
    this.exchange.onEnded(false);
  }

  onReset(reason: StreamReset): void {
    // `no_error` after the end cuts nothing of what this peer has sent. A stream that has been reset says no
    // more, so the reset waits until the credit for its bytes is due.
    if (reason.code === "no_error" && this.hasEnded && this.#waiting > 0) this.#lastWord = reason;
    else this.#resetOther(reason);
    this.exchange.onEnded(true);
  }

  #resetOther(reason: StreamReset): void {
    this.other.stream.reset(this.codeFor(reason), reason.message);
  }

  /** The code by which the other end learns of a reset. */
  protected codeFor({ code }: StreamReset): ResetCode {
    return code;
  }

  onDrain(): void {
    this.other.passedOn();
  }

  onFlushed(): void {
    this.other.passedOn();
  }

  /** The other stream has taken all that it held back. */
  passedOn(): void {
    const bytes = this.#waiting;
    this.#waiting = 0;
    this.stream.consumed(bytes);
    if (this.#lastWord !== undefined) this.#resetOther(this.#lastWord);
  }
}

/** The end of the relay to which the visitor came. */
class VisitorEnd extends HopEnd<AcceptedStream> {
  /** The client need not know that there is another relay. */
  protected override codeFor({ code }: StreamReset): ResetCode {
    return code === "session_lost" ? "cancelled" : code;
  }
}

/** The end of the tunnel. */
class TunnelEnd extends HopEnd<TunnelStream> implements RouteHandler {
  declare other: VisitorEnd;

  onInterim(head: ResponseHead): void {
    this.exchange.isTaken = true;
    this.other.stream.sendInterim(head);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.exchange.isTaken = true;
    this.other.stream.sendHead(head, end);
  }

  /**
   * Of a relay `refused` would mean that it has not taken the request. So a client's own comes after the word
   * that the relay has.
   */
  override onReset(reason: StreamReset): void {
    if (reason.code === "refused") this.exchange.take();
    super.onReset(reason);
  }

  // A tunnel of this relay takes or refuses a request at once.
  onAccepted(): void {}
  onRefused(): void {}
  onLimited(): void {}
}

/** A request of another relay, taken to a tunnel of this one: two streams, joined. */
export class HopExchange implements Linked<HopExchange> {
  previous: HopExchange | undefined;
  next: HopExchange | undefined;
  readonly route: Route;
  readonly #visitor: VisitorEnd;
  readonly #tunnel: TunnelEnd;
  readonly #open: OpenList<HopExchange>;
  /** The other relay knows that the request was taken: by a word of this one, or by the answer. */
  isTaken = false;
  #isOpen = false;
  #isOver = false;

  /** `stream`: of the other relay. `open`: the exchanges that are going on. */
  constructor(stream: AcceptedStream, route: Route, open: OpenList<HopExchange>) {
    this.route = route;
    this.#open = open;
    const visitor = new VisitorEnd(this);
    const tunnel = new TunnelEnd(this);
    visitor.stream = stream;
    visitor.other = tunnel;
    tunnel.other = visitor;
    this.#visitor = visitor;
    this.#tunnel = tunnel;
  }

  /** The handler of the other relay's stream. */
  get visitor(): StreamHandler {
    return this.#visitor;
  }

  /** Bytes of the request's body so far. */
  get requestBytes(): number {
    return this.#visitor.bytes;
  }

  /** Bytes of the answer's body so far. */
  get responseBytes(): number {
    return this.#tunnel.bytes;
  }

  /**
   * Takes the request to the tunnel, and tells the other relay that its body may follow.
   * @throws TunnelError as `open` of the route does.
   */
  begin(head: RequestHead, end: boolean): void {
    this.#tunnel.stream = this.route.open(head, end, this.#tunnel);
    // The stream may be reset while it is opened.
    if (this.#isOver) return;
    this.#open.add(this);
    this.#isOpen = true;
    if (!end) this.take();
  }

  /** Tells the other relay that the request was taken, unless it knows. */
  take(): void {
    if (this.isTaken) return;
    this.isTaken = true;
    this.#visitor.stream.sendInterim(taken);
  }

  /** The peer of an end has ended its direction, or has reset its stream. */
  onEnded(wasReset: boolean): void {
    if (this.#isOver || !(wasReset || (this.#visitor.hasEnded && this.#tunnel.hasEnded))) return;
    this.#isOver = true;
    if (this.#isOpen) this.#open.delete(this);
    this.route.count(this.requestBytes, this.responseBytes);
  }
}

/** The relay's word that it has taken a request, and that the body may follow. */
const taken: ResponseHead = { status: 100, headers: [] };
