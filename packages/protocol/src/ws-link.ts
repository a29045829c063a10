import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Link, LinkHandler } from "./link.js";

const ignore = (): void => {};

/** Time of work on a link's messages after which the rest of the process has its turn, in milliseconds. */
const turnMs = 5;
/** How long the peer may take to answer a close, in milliseconds. */
const closeTimeoutMs = 5_000;
/** Binary messages up to this size, in bytes, are copied behind their frame's header. */
const copyBytes = 4_096;

/**
 * The masks of the frames that this end sends (RFC 6455 section 5.3). A server sends `none`. A client's are
 * `random`, or `zeros` where nobody reads along.
 */
export type Masks = "none" | "zeros" | "random";

/**
 * A {@link Link} over an open WebSocket of `ws`. `socket` is the connection beneath it, which both ends of
 * `ws` hand out when they upgrade. The link needs it to write several messages at once and to learn when they
 * have left.
 */
export class WebSocketLink implements Link {
  #handler: LinkHandler | undefined;
  readonly #early: (Buffer | string)[] = [];
  /** The owner has asked for a pause. */
  #paused = false;
  /** The link's messages wait, so that the rest of the process has its turn. */
  #resting = false;
  #busyMs = 0;
  #corked = false;
  #closing = false;
  #closeTimer: NodeJS.Timeout | undefined;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #masks: Masks;

  /** `masks`: those that `ws` was told to use. With `random`, the default, `ws` writes every frame. */
  constructor(ws: WebSocket, socket: Socket, masks: Masks = "random") {
    this.#ws = ws;
    this.#socket = socket;
    this.#masks = masks;
    ws.binaryType = "nodebuffer";
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      if (this.#closing) return;
      const message = isBinary ? data : data.toString("utf8");
      if (this.#handler === undefined || this.#early.length > 0) {
        // Between two owners no message may be lost or overtaken, and few may pile up.
        this.#early.push(message);
        this.#pauseOrResume();
      } else this.#deliver(message, this.#handler);
    });
    ws.on("pong", () => this.#handler?.onPong?.());
    socket.on("drain", this.#onDrain);
    // A WebSocket closes after it has reported an error, and the close is what matters to the owner.
    ws.on("error", ignore);
    ws.on("close", (code: number, reason: Buffer) => {
      clearTimeout(this.#closeTimer);
      socket.off("drain", this.#onDrain);
      const handler = this.#handler;
      this.#handler = undefined;
      handler?.onClose(code, reason.toString("utf8"));
    });
  }

  /**
   * Hands a message to the owner. A peer whose messages cost much time must not keep the rest of the process
   * waiting.
   */
  #deliver(message: Buffer | string, handler: LinkHandler): void {
    const startedAt = performance.now();
    handler.onMessage(message);
    this.#busyMs += performance.now() - startedAt;
    if (this.#busyMs < turnMs || this.#resting) return;
    this.#resting = true;
    this.#pauseOrResume();
    setImmediate(() => {
      this.#resting = false;
      this.#busyMs = 0;
      this.#pauseOrResume();
    });
  }

  #pauseOrResume(): void {
    if (this.#paused || this.#resting || this.#early.length > 0) this.#ws.pause();
    else this.#ws.resume();
  }

  readonly #onDrain = (): void => {
    this.#handler?.onDrain?.();
  };

  get handler(): LinkHandler | undefined {
    return this.#handler;
  }

  set handler(handler: LinkHandler | undefined) {
    this.#handler = handler;
    if (handler === undefined) return;
    if (this.#ws.readyState === this.#ws.CLOSED) {
      this.#handler = undefined;
      queueMicrotask(() => handler.onClose(1006, ""));
      return;
    }
    if (this.#early.length === 0) return;
    // The messages come in a microtask, so that the new owner has finished its own set-up.
    queueMicrotask(() => {
      for (let message = this.#early.shift(); message !== undefined; message = this.#early.shift()) {
        if (this.#handler === undefined) {
          this.#early.unshift(message);
          return;
        }
        this.#handler.onMessage(message);
      }
      this.#pauseOrResume();
    });
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  /**
   * `ws` hands the socket two buffers for each frame, and Node passes several buffers on in a slower way than
   * one. So a small binary message is put behind its header here (measured: a fifteenth of the CPU time of a
   * message and its answer). `ws` keeps nothing back without compression, so the order stays.
   */
  send(message: Buffer | string): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (this.#masks !== "random" && typeof message !== "string" && message.length <= copyBytes) {
      this.#socket.write(binaryFrame(message, this.#masks === "zeros"));
      return;
    }
    this.#ws.send(message, { binary: typeof message !== "string", compress: false });
  }

  cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
  }

  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  ping(): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  pause(): void {
    this.#paused = true;
    this.#pauseOrResume();
  }

  resume(): void {
    this.#paused = false;
    this.#pauseOrResume();
  }

  close(code: number, reason: string): void {
    // No peer is left to answer, and the timer would keep the process alive for nothing.
    if (this.#ws.readyState === this.#ws.CLOSED) return;
    this.#closing = true;
    // A paused WebSocket would not see the peer's close.
    this.#early.length = 0;
    this.resume();
    this.#ws.close(code, clip(reason));
    this.#closeTimer ??= setTimeout(() => this.#ws.terminate(), closeTimeoutMs);
  }

  terminate(): void {
    this.#ws.terminate();
  }
}

/** A binary message of up to 65,535 bytes in one frame (RFC 6455 section 5.2). */
function binaryFrame(message: Buffer, hasZeroMask: boolean): Buffer {
  const { length } = message;
  const maskAt = length < 126 ? 2 : 4;
  const start = hasZeroMask ? maskAt + 4 : maskAt;
  const frame = Buffer.allocUnsafe(start + length);
  const maskBit = hasZeroMask ? 0x80 : 0;
  frame[0] = 0x82;
  if (length < 126) frame[1] = maskBit | length;
  else {
    frame[1] = maskBit | 126;
    frame.writeUInt16BE(length, 2);
  }
  if (hasZeroMask) frame.fill(0, maskAt, start);
  message.copy(frame, start);
  return frame;
}

/** Cuts a close reason, between characters, to the 123 bytes that it may have (RFC 6455 section 5.5). */
function clip(reason: string): string {
  if (Buffer.byteLength(reason) <= 123) return reason;
  // A decoder in a stream expects more and keeps an incomplete character back.
  return new TextDecoder().decode(Buffer.from(reason).subarray(0, 123), { stream: true });
}
