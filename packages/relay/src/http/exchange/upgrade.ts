import type { Duplex } from "node:stream";
import { carriedProtocols, headerValue, type ResponseHead, type TunnelStream } from "mcp-tunnel-protocol";
import { areHeadersValid } from "../response-head.js";
import type { Guard, VisitorRequest, VisitorResponse } from "../message.js";

/**
 * Bytes that the visitor may send before the 101. A visitor who sends more has no use for the answer, and
 * could not be watched.
 */
const maxEarlyBytes = 65_536;

/** What a connection that has left HTTP tells its exchange. */
export interface UpgradeOwner {
  onVisitorBytes(bytes: number): void;
  /** The visitor's bytes have to wait for the tunnel, until {@link UpgradeSocket.onDrain}. */
  onVisitorPaused(): void;
  /** The visitor has ended its direction. Nothing more is read from it. */
  onVisitorEnd(): void;
  /** All data that waited for the visitor has left. */
  onVisitorFlushed(): void;
  /** Runs the events of the connection. */
  guard: Guard;
}

/**
 * The visitor's connection of an upgrade request. Until the 101 the relay reads it, to notice a visitor who
 * leaves. After the 101 bytes go both ways, each direction with its own backpressure and its own end.
 */
export class UpgradeSocket {
  /** The protocols that the visitor offers and a tunnel may carry: one, or a list in the visitor's order. */
  readonly protocol: string;
  readonly #res: VisitorResponse;
  readonly #socket: Duplex;
  /** Runs the connection's events until it has an owner. */
  readonly #guard: Guard;
  /** Known once the switch was accepted. */
  #owner: UpgradeOwner | undefined;
  #stream: TunnelStream | undefined;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #visitorEnded = false;
  #serviceEnded = false;
  #unconsumed = 0;

  /** `head`: the bytes behind the request in its last packet. From here on the connection is read. */
  constructor(req: VisitorRequest, res: VisitorResponse, socket: Duplex, head: Buffer, guard: Guard) {
    this.#guard = guard;
    this.#res = res;
    this.protocol = carriedProtocols(req.rawHeaders);
    this.#socket = socket;
    if (head.length > 0) this.#keep(head);
    socket.on("data", (chunk: Buffer) => this.#run(() => this.#onData(chunk)));
    socket.on("end", () => {
      this.#visitorEnded = true;
      // No visitor asks for an upgrade and then has nothing to say. A visitor who has left looks the same.
      const owner = this.#owner;
      if (owner === undefined) socket.destroy();
      else {
        owner.guard(() => {
          this.#stream?.end();
          owner.onVisitorEnd();
        });
      }
    });
    socket.on("drain", () => this.#run(() => this.onFlushed()));
  }

  /** The visitor has ended its direction. */
  get visitorEnded(): boolean {
    return this.#visitorEnded;
  }

  /** Both ends have finished. */
  get endedWell(): boolean {
    return this.#visitorEnded && this.#serviceEnded;
  }

  /** The stream on which a 101 may come is open. */
  start(stream: TunnelStream): void {
    this.#stream = stream;
  }

  /**
   * Passes the 101 on; false when that is not possible. `owner` is told of the connection from then on.
   */
  accept(head: ResponseHead, owner: UpgradeOwner): boolean {
    if (this.#stream === undefined || !areHeadersValid(head.headers)) return false;
    const protocol = headerValue(head.headers, "upgrade") ?? this.protocol;
    if (!this.#res.switchProtocols(protocol, head.headers)) return false;
    this.#owner = owner;
    const early = this.#early;
    this.#early = [];
    this.#socket.resume();
    for (const chunk of early) this.#onData(chunk);
    return true;
  }

  /** Sends data to the visitor. False when it has to wait for the visitor. */
  onData(chunk: Buffer): boolean {
    const taken = this.#socket.write(chunk);
    if (taken) this.#stream?.consumed(chunk.length);
    else this.#unconsumed += chunk.length;
    return taken;
  }

  /**
   * All data that was given to the visitor's connection has left. A connection that has been ended does not
   * say so itself.
   */
  onFlushed(): void {
    this.stop();
    this.#owner?.onVisitorFlushed();
  }

  /** Releases the data that the visitor did not take. */
  stop(): void {
    const bytes = this.#unconsumed;
    this.#unconsumed = 0;
    this.#stream?.consumed(bytes);
  }

  onDrain(): void {
    this.#socket.resume();
  }

  onEnd(): void {
    this.#serviceEnded = true;
    this.#socket.end();
  }

  #onData(chunk: Buffer): void {
    const owner = this.#owner;
    if (owner === undefined) {
      this.#keep(chunk);
      return;
    }
    owner.onVisitorBytes(chunk.length);
    if (this.#stream?.write(chunk) !== false) return;
    this.#socket.pause();
    owner.onVisitorPaused();
  }

  #run(action: () => void): void {
    if (this.#owner === undefined) this.#guard(action);
    else this.#owner.guard(action);
  }

  #keep(chunk: Buffer): void {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > maxEarlyBytes) this.#socket.destroy();
  }
}
