import type { TunnelStream } from "mcp-tunnel-protocol";
import type { CheckedHead } from "../response-head.js";
import { StallWatch } from "../stall-watch.js";
import type { VisitorResponse } from "../message.js";

/**
 * The last chunk of a body is reported as passed on at once if it has no more bytes than this. Nearly all
 * have no more, and the buffers of a visitor's connection hold more anyway.
 */
const smallBytes = 16_384;

/** What a response's body needs of its exchange. */
export interface ResponseBodyOwner {
  /** The visitor has taken nothing for too long. */
  onVisitorStalled(): void;
  /** Runs an event that no session guards. */
  guard(action: () => void): void;
}

/**
 * The body of a response on its way to the visitor. The stream hears how many bytes the visitor's connection
 * has passed on, so a slow visitor slows the stream down.
 */
export class ResponseBody {
  #bytes = 0;
  readonly #owner: ResponseBodyOwner;
  readonly #res: VisitorResponse;
  readonly #writeTimeoutMs: number;
  #length: number | undefined;
  #limit = Number.POSITIVE_INFINITY;
  #isAbsent = false;
  /** Bytes given to the visitor's connection, which has not passed them on. */
  #unconsumed = 0;
  #draining = false;
  /**
   * The stream that the body comes from. The exchange may part from it before all bytes have been passed on,
   * when the service wants no more of the request.
   */
  #stream: TunnelStream | undefined;
  #stall: StallWatch | undefined;

  /** `writeTimeoutMs`: how long a visitor may take nothing. */
  constructor(owner: ResponseBodyOwner, res: VisitorResponse, writeTimeoutMs: number) {
    this.#owner = owner;
    this.#res = res;
    this.#writeTimeoutMs = writeTimeoutMs;
  }

  /** Bytes given to the visitor so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts bytes for the visitor, before they are passed on, or when they go another way. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /**
   * Takes the checked head, and the stream that the body comes from. False when the declared length is over
   * `limit` bytes. The limit holds for all bodies except event streams.
   */
  begin(
    { contentLength, bodyless, isEventStream }: CheckedHead,
    limit: number,
    stream: TunnelStream | undefined,
  ): boolean {
    if (!bodyless && !isEventStream) {
      if ((contentLength ?? 0) > limit) return false;
      this.#limit = limit;
    }
    this.#stream = stream;
    this.#isAbsent = bodyless;
    this.#length = contentLength;
    return true;
  }

  /** The head tells the length of the body. */
  get hasLength(): boolean {
    return this.#length !== undefined;
  }

  /** No body follows the head, whatever the tunnel sends. */
  get isAbsent(): boolean {
    return this.#isAbsent;
  }

  /** More bytes are counted than the head says. */
  get isTooLong(): boolean {
    return this.#length !== undefined && this.#bytes > this.#length;
  }

  /** More bytes are counted than the relay lets through. */
  get isOverLimit(): boolean {
    return this.#bytes > this.#limit;
  }

  /** No byte is missing of the length in the head. */
  get isWhole(): boolean {
    return this.#isAbsent || this.#bytes >= (this.#length ?? 0);
  }

  /** Passes on a chunk that has been counted. */
  write(chunk: Buffer): void {
    if (this.#res.write(chunk)) {
      this.#stream?.consumed(chunk.length);
      return;
    }
    this.#unconsumed += chunk.length;
    if (this.#draining) return;
    this.#draining = true;
    this.watchVisitor();
    this.#res.once("drain", () => this.#owner.guard(() => this.flushed()));
  }

  /** Ends the response. `chunk`: the last one, which has been counted, if there is one. */
  end(chunk?: Buffer): void {
    this.#res.end(chunk);
    const bytes = chunk?.length ?? 0;
    // The visitor may never take the last of it.
    const waits = this.#res.backlog > 0;
    if (waits) this.watchVisitor();
    if (waits && bytes > smallBytes) this.#unconsumed += bytes;
    else this.#stream?.consumed(bytes);
  }

  /** The visitor's connection has passed everything on. */
  flushed(): void {
    this.#draining = false;
    this.#stall?.flushed();
    const bytes = this.#unconsumed;
    this.#unconsumed = 0;
    this.#stream?.consumed(bytes);
  }

  /** Data waits for the visitor, who has to take some of it in time. */
  watchVisitor(): void {
    this.#stall ??= new StallWatch(
      this.#writeTimeoutMs,
      () => this.#progress,
      () => this.#owner.guard(() => this.#owner.onVisitorStalled()),
    );
    this.#stall.waits();
  }

  /** A number that changes when the visitor takes something; `undefined` when nothing waits for him. */
  get #progress(): number | undefined {
    return this.#res.backlog === 0 ? undefined : this.#bytes + this.#res.takenMark();
  }

  /**
   * Waits for the visitor no more. Data that the visitor did not take is released, because a session has only
   * so much room for it.
   */
  stop(): void {
    this.#stall?.stop();
    const bytes = this.#unconsumed;
    this.#unconsumed = 0;
    this.#stream?.consumed(bytes);
  }
}
