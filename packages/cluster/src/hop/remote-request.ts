import type {
  RawHeaders,
  ResetCode,
  ResponseHead,
  StreamHandler,
  StreamReset,
  TunnelStream,
} from "mcp-tunnel-protocol";
import type { RouteHandler } from "../route.js";
import { type HopRefusal, refusalOf } from "./field.js";

/** What a request tells its route. */
export interface RemoteRequestOwner {
  /** The other relay did not take it. */
  onRefused(reason: Exclude<HopRefusal, "limited">): void;
  /** So many bytes more, or fewer, wait to be passed on. */
  onQueued(bytes: number): void;
  /** Both directions have ended, or the stream was reset. Called once, for a request that has begun. */
  onOver(): void;
}

/**
 * A request on its way to the tunnel of another relay. It stands between the stream to that relay and the
 * handler of the request, and reads from the stream whether the relay has taken the request.
 *
 * The first event of the stream says so. A reset with `refused` means that nothing was done. An interim head
 * 100 means that the request was taken: it is the relay's word and not the service's. Without a body or an
 * upgrade that waits for this word, any other event means the same.
 */
export class RemoteRequest implements TunnelStream, StreamHandler {
  readonly #owner: RemoteRequestOwner;
  readonly #handler: RouteHandler;
  #stream: TunnelStream | undefined;
  #isTaken = false;
  #hasEnded: boolean;
  #hasPeerEnded = false;
  #isOver = false;
  #queuedBytes = 0;

  /** `isAwaited`: a body or an upgrade waits until the request is taken. */
  constructor(owner: RemoteRequestOwner, handler: RouteHandler, isAwaited: boolean) {
    this.#owner = owner;
    this.#handler = handler;
    this.#hasEnded = !isAwaited;
  }

  /** The visitors of one tunnel, who read slowly, are not to cost those of another their answers. */
  get group(): unknown {
    return this.#owner;
  }

  /** The stream to the other relay, whose handler this is. */
  begin(stream: TunnelStream): void {
    this.#stream = stream;
  }

  /** There is no stream. The handler is told in a later turn, as by another relay. */
  refuseLater(): void {
    queueMicrotask(() => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#refused("unreachable");
    });
  }

  // ---- to the other relay

  get id(): number {
    return this.#stream?.id ?? 0;
  }

  write(chunk: Buffer): boolean {
    return this.#stream?.write(chunk) !== false;
  }

  end(trailers?: RawHeaders): void {
    this.#stream?.end(trailers);
    this.#hasEnded = true;
    this.#endIfDone();
  }

  reset(code: ResetCode, message?: string): void {
    this.#stream?.reset(code, message);
    this.#drop();
    this.#over();
  }

  consumed(bytes: number): void {
    const taken = Math.min(bytes, this.#queuedBytes);
    this.#queue(-taken);
    this.#stream?.consumed(bytes);
  }

  // ---- from the other relay

  onInterim(head: ResponseHead): void {
    const isWord = !this.#isTaken && head.status === 100;
    this.#take();
    if (!isWord) this.#handler.onInterim?.(head);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.#take();
    this.#handler.onHead?.(head, end);
  }

  onData(chunk: Buffer, last: boolean): void {
    this.#queue(chunk.length);
    this.#handler.onData(chunk, last);
  }

  onEnd(trailers: RawHeaders): void {
    this.#hasPeerEnded = true;
    this.#handler.onEnd(trailers);
    this.#endIfDone();
  }

  onReset(reason: StreamReset): void {
    // After a complete answer `no_error` cuts none of it.
    if (reason.code !== "no_error" || !this.#hasPeerEnded) this.#drop();
    this.#over();
    if (reason.code !== "refused" || this.#isTaken) {
      this.#handler.onReset(reason);
      return;
    }
    const why = refusalOf(reason.message);
    // What is known of the tunnel is right all the same.
    if (why === "limited") this.#handler.onLimited();
    else this.#refused(why);
  }

  onDrain(): void {
    this.#handler.onDrain?.();
  }

  onFlushed(): void {
    this.#handler.onFlushed?.();
  }

  #take(): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    this.#handler.onAccepted();
  }

  #refused(reason: Exclude<HopRefusal, "limited">): void {
    this.#owner.onRefused(reason);
    this.#handler.onRefused();
  }

  #queue(bytes: number): void {
    if (bytes === 0) return;
    this.#queuedBytes += bytes;
    this.#owner.onQueued(bytes);
  }

  #drop(): void {
    this.#queue(-this.#queuedBytes);
  }

  #endIfDone(): void {
    if (this.#hasEnded && this.#hasPeerEnded) this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#stream !== undefined) this.#owner.onOver();
  }
}
