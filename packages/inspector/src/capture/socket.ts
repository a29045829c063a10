import { listValues, type RawHeaders } from "mcp-tunnel-protocol";
import { formatBytes } from "mcp-tunnel-shared";
import type { CapturedMessage } from "../captured.js";
import { extension, PerMessageDeflate, Receiver } from "./ws-parts.js";
import type { FrameReceiver, Inflater, MessageInflater } from "./ws-parts.js";

/** The longest message that is read, in bytes. It has to be held until its end has come. */
const maxMessageBytes = 1_024 * 1_024;
/** Bytes that are kept of each message. */
const maxKeptBytes = 64 * 1_024;
/** Chunks of a frame, and fragments of a message. */
const maxParts = 8_192;
/** What a part costs besides its bytes. */
const partBytes = 128;
/** Bytes that may wait on each side to be inflated, besides one message and its fragments. */
const maxWaitingBytes = maxMessageBytes;
/** What an inflater holds: its window, its state and its output. */
const inflaterBytes = 64 * 1_024;
const deflate = "permessage-deflate";

/**
 * Reads the messages of a WebSocket (RFC 6455) out of the bytes of both ends. It never throws. What it cannot
 * read ends the reading: {@link unread} says why. It holds about 3 MiB at most.
 */
export class SocketReader {
  readonly #onMessage: (message: CapturedMessage) => void;
  readonly #nowMs: () => number;
  readonly #visitor: Side | undefined;
  readonly #service: Side | undefined;
  #state: "reading" | "unread" | "closed" = "reading";
  #unread: string | undefined;
  /** Set while only what is still being inflated is read. */
  #onFinished: (() => void) | undefined;

  /** `nowMs`: the time of a message, since the start of the exchange. */
  constructor(
    responseHeaders: RawHeaders,
    onMessage: (message: CapturedMessage) => void,
    nowMs: () => number,
  ) {
    this.#onMessage = onMessage;
    this.#nowMs = nowMs;
    const deflaters = this.#negotiated(responseHeaders);
    if (deflaters === undefined) return;
    this.#visitor = this.#side("visitor", deflaters[0]);
    this.#service = this.#side("service", deflaters[1]);
  }

  /** Why no further messages can be read. */
  get unread(): string | undefined {
    return this.#unread;
  }

  /** Bytes that are held because a message is not complete. */
  get pending(): number {
    return (this.#visitor?.pending ?? 0) + (this.#service?.pending ?? 0);
  }

  visitor(chunk: Buffer): void {
    if (this.#state === "reading") this.#visitor?.push(chunk);
  }

  service(chunk: Buffer): void {
    if (this.#state === "reading") this.#service?.push(chunk);
  }

  /**
   * No more bytes come. Calls `onFinished` once, as soon as nothing waits to be inflated any more: at once,
   * or after the last messages.
   */
  finish(onFinished: () => void): void {
    if (this.#state !== "reading" || !this.#isBusy) {
      this.close();
      onFinished();
      return;
    }
    this.#onFinished = onFinished;
    this.#visitor?.close();
    this.#service?.close();
  }

  /** Releases everything. No message comes afterwards. */
  close(): void {
    this.#state = "closed";
    this.#onFinished = undefined;
    this.#visitor?.close();
    this.#service?.close();
  }

  /**
   * What undoes the compression of the visitor and of the service, by the head of the 101. Undefined: it
   * cannot be undone.
   */
  #negotiated(headers: RawHeaders): (MessageInflater | undefined)[] | undefined {
    const value = listValues(headers, "sec-websocket-extensions").join(", ");
    if (value === "") return [undefined, undefined];
    try {
      const extensions = extension.parse(value);
      const other = Object.keys(extensions).find((name) => name !== deflate);
      if (other !== undefined) throw new Error(`nothing is known of ${other}`);
      const options = { maxPayload: maxMessageBytes };
      const service = new PerMessageDeflate({ ...options, isServer: false });
      service.accept(extensions[deflate] ?? []);
      // The visitor's messages are inflated as a server does it, with the same parameters.
      const visitor = new PerMessageDeflate({ ...options, isServer: true });
      visitor.params = service.params;
      return [visitor, service];
    } catch (error) {
      this.#stop(`it uses an extension that cannot be read: ${String(error)}`);
      return undefined;
    }
  }

  #side(from: "visitor" | "service", inflater: MessageInflater | undefined): Side {
    return new Side(from, inflater, {
      message: (kind, data, bytes) => {
        if (this.#state !== "reading") return;
        // A copy: the data is a view of the chunk in which it came.
        const kept = Buffer.from(data.subarray(0, maxKeptBytes));
        const isCut = data.length > kept.length;
        this.#onMessage({ atMs: this.#nowMs(), from, kind, data: kept, bytes, isCut });
      },
      failed: (why) => this.#stop(why),
      ended: () => {
        if (!this.#isBusy) this.#finished();
      },
    });
  }

  get #isBusy(): boolean {
    return this.#visitor?.isBusy === true || this.#service?.isBusy === true;
  }

  #finished(): void {
    const onFinished = this.#onFinished;
    if (onFinished === undefined) return;
    this.close();
    onFinished();
  }

  #stop(why: string): void {
    if (this.#state !== "reading") return;
    const onFinished = this.#onFinished;
    this.close();
    this.#state = "unread";
    this.#unread = why;
    onFinished?.();
  }
}

interface SideHandler {
  message(kind: CapturedMessage["kind"], data: Buffer, bytes: number): void;
  failed(why: string): void;
  /** All that was pushed before the close is read. */
  ended(): void;
}

/** The frames that come from one end. */
class Side {
  readonly #from: string;
  readonly #handler: SideHandler;
  readonly #receiver: FrameReceiver;
  #inflaterBytes = 0;

  constructor(from: "visitor" | "service", inflater: MessageInflater | undefined, handler: SideHandler) {
    this.#from = from;
    this.#handler = handler;
    const receiver = new Receiver({
      isServer: from === "visitor",
      extensions: inflater === undefined ? {} : { [deflate]: this.#counted(inflater) },
      maxPayload: maxMessageBytes,
      maxBufferedChunks: maxParts,
      maxFragments: maxParts,
    });
    this.#receiver = receiver;
    receiver.on("message", (data, isBinary) => {
      handler.message(isBinary ? "binary" : "text", data, data.length);
    });
    receiver.on("ping", (data) => handler.message("ping", data, data.length));
    receiver.on("pong", (data) => handler.message("pong", data, data.length));
    receiver.on("conclude", (code, reason) => this.#concluded(code, reason));
    // Not while something is being inflated: an inflater does not expect it.
    const release = () => {
      inflater?.cleanup();
      this.#inflaterBytes = 0;
    };
    receiver.on("finish", () => {
      release();
      handler.ended();
    });
    receiver.on("error", (error) => {
      release();
      handler.failed(this.#faultOf(error));
    });
  }

  get pending(): number {
    const receiver = this.#receiver;
    if (receiver.destroyed) return 0;
    const parts = receiver._buffers.length + receiver._fragments.length;
    const bytes = receiver._bufferedBytes + receiver._messageLength + receiver.writableLength;
    return bytes + partBytes * parts + this.#inflaterBytes;
  }

  /** Something is being inflated, or waits for that. */
  get isBusy(): boolean {
    return !this.#receiver.destroyed && this.#receiver.writableLength > 0;
  }

  push(chunk: Buffer): void {
    const receiver = this.#receiver;
    // After a Close frame, nothing is read.
    if (receiver.writableEnded || receiver.destroyed) return;
    if (receiver.writableLength + chunk.length > maxWaitingBytes && receiver.writableLength > 0) {
      this.#handler.failed(`more came at once from the ${this.#from} than could be inflated`);
      return;
    }
    // A copy: a receiver keeps what it is given, and unmasks it, while the chunk is on its way to the other
    // end.
    receiver.write(Buffer.from(chunk));
  }

  close(): void {
    if (!this.#receiver.writableEnded) this.#receiver.end();
  }

  /** 1005 stands for a Close frame without a code (RFC 6455 section 7.1.5). */
  #concluded(code: number, reason: Buffer): void {
    if (code === 1_005) this.#handler.message("close", Buffer.alloc(0), 0);
    else
      this.#handler.message("close", Buffer.from(`${code} ${reason.toString()}`.trim()), 2 + reason.length);
  }

  #counted(inflater: Inflater): Inflater {
    return {
      decompress: (data, end, done) => {
        this.#inflaterBytes = inflaterBytes;
        inflater.decompress(data, end, done);
      },
    };
  }

  #faultOf(error: Error & { code?: string }): string {
    switch (error.code) {
      case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
      case "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH":
        return `a message of the ${this.#from} is longer than ${formatBytes(maxMessageBytes)}`;
      case "WS_ERR_TOO_MANY_BUFFERED_PARTS":
        return `a message of the ${this.#from} came in more than ${maxParts} parts`;
      default:
        return `what the ${this.#from} sent cannot be read: ${error.message}`;
    }
  }
}
