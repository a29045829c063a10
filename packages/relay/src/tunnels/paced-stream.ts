import {
  type OpeningSession,
  type RawHeaders,
  type RequestHead,
  type ResetCode,
  type ResponseHead,
  type StreamHandler,
  StreamReset,
  type TunnelStream,
} from "mcp-tunnel-protocol";
import type { Pacer } from "../admission/pacer.js";
import { Lane, type LaneOwner } from "./lane.js";

/** What a paced stream tells of itself. */
export interface PacedStreamObserver {
  /** Bytes of the token have to wait for the first time in a while. */
  onSlowed(): void;
  /** The stream's handler threw, and the stream was cut. */
  onFault(error: unknown): void;
}

/**
 * A stream of a token that may pass only so many bytes a second. It stands between the session's stream and
 * the handler of the request. What has to wait is held here, and its sender is told to wait: the visitor by
 * `write`, and the client because its credit is returned only when the visitor has the bytes.
 */
export class PacedStream implements TunnelStream, StreamHandler {
  readonly #handler: StreamHandler;
  readonly #observer: PacedStreamObserver;
  readonly #up: Lane;
  readonly #down: Lane;
  /** Not there until the session has opened it. It may end before that. */
  #stream: TunnelStream | undefined;
  #isOver = false;

  // To the client.
  #isBlocked = false;
  #owesDrain = false;
  /** The end, while bytes before it wait. */
  #upEnd: { readonly trailers: RawHeaders | undefined } | undefined;

  // To the visitor.
  #wasLast = false;
  #downEnd: RawHeaders | undefined;
  /** A reset that cuts nothing of what waits. */
  #lastWord: StreamReset | undefined;

  /** @throws TunnelError as `open` of the session does. */
  static open(
    session: OpeningSession,
    head: RequestHead,
    end: boolean,
    handler: StreamHandler,
    pacer: Pacer,
    observer: PacedStreamObserver,
  ): TunnelStream {
    const paced = new PacedStream(handler, pacer, observer);
    paced.#stream = session.open(head, end, paced);
    return paced;
  }

  private constructor(handler: StreamHandler, pacer: Pacer, observer: PacedStreamObserver) {
    this.#handler = handler;
    this.#observer = observer;
    const lane = (direction: Pick<LaneOwner, "onPiece" | "onEmpty">): Lane =>
      new Lane(pacer, {
        ...direction,
        onSlowed: () => observer.onSlowed(),
        onFault: (error) => this.#onFault(error),
      });
    this.#up = lane({
      onPiece: (piece) => {
        this.#isBlocked = this.#stream?.write(piece) === false;
      },
      onEmpty: () => this.#onUpEmpty(),
    });
    this.#down = lane({
      onPiece: (piece, isLast) => this.#handler.onData(piece, isLast && this.#wasLast),
      onEmpty: () => this.#onDownEmpty(),
    });
  }

  get group(): unknown {
    return this.#handler.group;
  }

  // ---- to the client

  get id(): number {
    return this.#stream?.id ?? 0;
  }

  write(chunk: Buffer): boolean {
    if (this.#isOver) return true;
    this.#up.push(chunk);
    const mayGoOn = this.#up.isEmpty && !this.#isBlocked;
    if (!mayGoOn) this.#owesDrain = true;
    return mayGoOn;
  }

  end(trailers?: RawHeaders): void {
    if (this.#up.isEmpty) this.#endUp(trailers);
    else this.#upEnd ??= { trailers };
  }

  /**
   * Cuts what waits in both directions. The relay resets no stream with `no_error`, which would cut nothing.
   */
  reset(code: ResetCode, message?: string): void {
    this.#drop();
    this.#stream?.reset(code, message);
  }

  consumed(bytes: number): void {
    this.#stream?.consumed(bytes);
  }

  #onUpEmpty(): void {
    if (this.#isOver) return;
    if (this.#upEnd === undefined) this.#drained();
    else this.#endUp(this.#upEnd.trailers);
  }

  #endUp(trailers: RawHeaders | undefined): void {
    this.#stream?.end(trailers);
    // A stream that has not taken everything calls `onFlushed` itself.
    if (!this.#isBlocked) this.#flushed();
  }

  #drained(): void {
    if (!this.#owesDrain || this.#isBlocked || !this.#up.isEmpty) return;
    this.#owesDrain = false;
    this.#handler.onDrain?.();
  }

  #flushed(): void {
    if (!this.#owesDrain) return;
    this.#owesDrain = false;
    this.#handler.onFlushed?.();
  }

  onDrain(): void {
    this.#isBlocked = false;
    this.#drained();
  }

  onFlushed(): void {
    this.#isBlocked = false;
    this.#flushed();
  }

  // ---- to the visitor

  onInterim(head: ResponseHead): void {
    this.#handler.onInterim?.(head);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.#handler.onHead?.(head, end);
  }

  onData(chunk: Buffer, last: boolean): void {
    this.#wasLast = last;
    this.#down.push(chunk);
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#down.isEmpty) this.#handler.onEnd(trailers);
    else this.#downEnd = trailers;
  }

  #onDownEmpty(): void {
    const end = this.#downEnd;
    if (this.#isOver || end === undefined) return;
    this.#downEnd = undefined;
    this.#handler.onEnd(end);
    if (this.#lastWord !== undefined) this.onReset(this.#lastWord);
  }

  onReset(reason: StreamReset): void {
    if (reason.code === "no_error" && this.#downEnd !== undefined) {
      // After a whole answer it only says that no more of the request is wanted.
      this.#up.drop();
      this.#lastWord = reason;
      return;
    }
    this.#drop();
    this.#handler.onReset(reason);
  }

  #drop(): void {
    this.#isOver = true;
    this.#up.drop();
    this.#down.drop();
  }

  /** In a turn of the pacer no session guards the handler. */
  #onFault(error: unknown): void {
    this.#observer.onFault(error);
    if (this.#isOver) return;
    this.reset("internal", "internal error");
    try {
      this.#handler.onReset(new StreamReset("internal", "internal error"));
    } catch (again) {
      this.#observer.onFault(again);
    }
  }
}
