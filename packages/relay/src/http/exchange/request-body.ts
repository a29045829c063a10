import { type FieldSet, mayBeJsonRpc, type TunnelStream } from "mcp-tunnel-protocol";
import type { Limits } from "../../limits.js";
import { maxJsonRpcBytes } from "../answer/json-rpc.js";
import type { DeclaredBody } from "../declared-body.js";
import { linger } from "../linger.js";
import type { BodyProgress } from "../answer/respond.js";
import type { ExchangeRequest } from "./request.js";
import { checkTrailers } from "../response-head.js";
import { StallWatch } from "../stall-watch.js";
import type { VisitorRequest, VisitorResponse } from "../message.js";

/** What a request's body tells its exchange. */
export interface RequestBodyOwner {
  /** A piece of the body has come while no response has begun. */
  onBodyProgress(): void;
  onBodyTooLarge(): void;
  /** The visitor has stopped sending the body. */
  onBodyTimeout(): void;
  /**
   * The tunnel takes no more of the body. Meanwhile nobody reads the connection, so the relay does not notice
   * that a visitor has left.
   */
  onBodyStalled(): void;
  /** Runs an event that no session guards. */
  guard(action: () => void): void;
  /** Takes an error that was thrown where no session guards. */
  fault(error: unknown): void;
}

type BodyLimits = Pick<Limits, "maxRequestBodyBytes" | "bodyTimeoutMs" | "responseTimeoutMs">;

/** The body of a visitor's request on its way to the tunnel. */
export class RequestBody {
  #bytes = 0;
  readonly #owner: RequestBodyOwner;
  readonly #req: VisitorRequest;
  readonly #res: VisitorResponse;
  readonly #declared: DeclaredBody;
  /** Fields that no visitor may send, neither before the body nor after it. */
  readonly #droppedFields: FieldSet;
  readonly #options: BodyLimits;
  /** The stream to which the body goes; `undefined` when nobody wants more of it. */
  #stream: TunnelStream | undefined;
  /** The request was taken to the tunnel, and no response has begun: the visitor has to go on sending. */
  #isAwaited = false;
  #awaitsContinue: boolean;
  #timer: NodeJS.Timeout | undefined;
  /** The body waits for the tunnel. */
  #paused = false;
  /** Limits the time for which the body waits for the tunnel. */
  #stall: StallWatch | undefined;
  /** The first piece of the body, if an error may need the JSON-RPC id in it. */
  #start: Buffer | undefined;

  constructor(
    owner: RequestBodyOwner,
    req: VisitorRequest,
    res: VisitorResponse,
    { body, visitor }: Pick<ExchangeRequest, "body" | "visitor">,
    options: BodyLimits,
  ) {
    this.#owner = owner;
    this.#req = req;
    this.#res = res;
    this.#declared = body;
    this.#droppedFields = visitor.drop;
    this.#options = options;
    this.#awaitsContinue = body.awaitsContinue;
  }

  /** Bytes received so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts bytes that come another way: those of an upgraded connection. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The declared length alone is too large. */
  get isDeclaredTooLarge(): boolean {
    return (this.#declared.contentLength ?? 0) > this.#options.maxRequestBodyBytes;
  }

  /** A part of the body has not come yet. */
  get isComing(): boolean {
    return this.#declared.isPresent && !this.#req.readableEnded;
  }

  /** What an answer in the tunnel's place needs to know. */
  get progress(): BodyProgress {
    return {
      pending: this.isComing,
      contentLength: this.#declared.contentLength,
      awaitsContinue: this.#awaitsContinue,
      read: this.#start,
    };
  }

  /** Takes the body to the stream, until {@link leave}. */
  pump(stream: TunnelStream): void {
    const req = this.#req;
    this.#stream = stream;
    this.#isAwaited = true;
    const keepStart = mayBeJsonRpc(req.method ?? "", req.rawHeaders);
    if (!this.#awaitsContinue) this.#watch();
    req.on("data", (chunk: Buffer) => {
      try {
        this.#onData(chunk, keepStart);
      } catch (error) {
        this.#owner.fault(error);
      }
    });
    req.on("end", () => {
      this.stop();
      this.#owner.guard(() => this.#stream?.end(checkTrailers(req.rawTrailers, this.#droppedFields)));
    });
  }

  /** Nobody wants more of the body on the stream. The exchange decides about the rest of it. */
  leave(): void {
    this.#stream = undefined;
  }

  #onData(chunk: Buffer, keepStart: boolean): void {
    this.count(chunk.length);
    const stream = this.#stream;
    if (stream === undefined) return;
    if (keepStart && this.#start === undefined && chunk.length <= maxJsonRpcBytes) this.#start = chunk;
    if (this.#bytes > this.#options.maxRequestBodyBytes) {
      this.#owner.onBodyTooLarge();
      return;
    }
    if (this.#isAwaited) {
      this.#owner.onBodyProgress();
      this.#timer?.refresh();
    }
    if (stream.write(chunk)) return;
    this.#paused = true;
    this.#req.pause();
    this.waits();
  }

  /** Data waits, and the tunnel has to take some of it in time. Also for bytes of an upgraded connection. */
  waits(): void {
    this.#stall ??= new StallWatch(
      this.#options.responseTimeoutMs,
      () => this.#bytes,
      () => this.#owner.guard(() => this.#owner.onBodyStalled()),
    );
    this.#stall.waits();
  }

  /** The tunnel has taken the data that waited. */
  taken(): void {
    this.#stall?.flushed();
  }

  /** The tunnel has room again. */
  resume(): void {
    this.#paused = false;
    this.taken();
    if (this.#isAwaited) this.#timer?.refresh();
    this.#req.resume();
  }

  /** Tells a visitor who waits for a 100 to send the body. Once (RFC 9110 section 10.1.1). */
  continue(): void {
    if (!this.#awaitsContinue) return;
    this.#awaitsContinue = false;
    this.#res.writeContinue();
    this.#watch();
  }

  /** A response has begun. The visitor may take its time now, because the two may speak in turns. */
  answered(): void {
    this.#isAwaited = false;
    clearTimeout(this.#timer);
    this.#start = undefined;
  }

  /** Ends the time limits of the visitor and of the tunnel. */
  stop(): void {
    this.#isAwaited = false;
    clearTimeout(this.#timer);
    this.#stall?.stop();
  }

  /** The response is out, and the rest still goes to the tunnel, which has to take it in time. */
  goOn(): void {
    if (this.#paused) this.waits();
  }

  /** The answer is out, more of the body is to come, and nobody wants it. */
  discard(): void {
    this.stop();
    linger(this.#req, (ended) => {
      // The answer goes first, however slowly the visitor reads it.
      if (!ended) this.#owner.guard(() => this.#res.onceWritten(() => this.#req.abandon()));
    });
  }

  #watch(): void {
    this.#timer ??= setTimeout(() => {
      // The tunnel takes nothing, so it is not the visitor who has stopped.
      if (this.#paused) this.#timer?.refresh();
      else this.#owner.guard(() => this.#owner.onBodyTimeout());
    }, this.#options.bodyTimeoutMs);
  }
}
