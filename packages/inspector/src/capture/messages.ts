import type { RawHeaders } from "mcp-tunnel-protocol";
import type { CapturedMessage, CapturedSocket } from "../captured.js";
import { readingBytes } from "../limits.js";
import { messageCost, readerBytes } from "./costs.js";
import type { Load } from "./load.js";
import { Newest } from "./newest.js";
import { SocketReader } from "./socket.js";

/** The messages of a WebSocket. */
export class SocketMessages implements CapturedSocket {
  readonly #onMessage: (message: CapturedMessage) => void;
  readonly #load: Load;
  readonly #newest = new Newest<CapturedMessage>(messageCost);
  #reader: SocketReader | undefined;
  #unread: string | undefined;
  /** Messages were left out, because too much came at once. */
  missed = false;

  /** `responseHeaders` are those of the answer that has opened the WebSocket. */
  constructor(
    responseHeaders: RawHeaders,
    onMessage: (message: CapturedMessage) => void,
    nowMs: () => number,
    load: Load,
  ) {
    this.#onMessage = onMessage;
    this.#load = load;
    this.#reader = new SocketReader(responseHeaders, (message) => this.#onRead(message), nowMs);
  }

  get kept(): readonly CapturedMessage[] {
    return this.#newest.kept;
  }

  get dropped(): number {
    return this.#newest.dropped;
  }

  get unread(): string | undefined {
    return this.#unread ?? this.#reader?.unread;
  }

  /** Memory that is held. */
  get held(): number {
    return this.#newest.held + (this.#reader === undefined ? 0 : readerBytes + this.#reader.pending);
  }

  visitor(chunk: Buffer): void {
    if (this.#mayRead(chunk)) this.#reader?.visitor(chunk);
  }

  service(chunk: Buffer): void {
    if (this.#mayRead(chunk)) this.#reader?.service(chunk);
  }

  /**
   * The connection has ended. What is still being inflated is told later, and then `onFinished` is called:
   * nothing is held for it any more.
   */
  finish(onFinished: () => void): void {
    const reader = this.#reader;
    reader?.finish(() => {
      if (this.#reader !== reader) return;
      this.end();
      onFinished();
    });
  }

  /** Reads nothing any more. `why` is told if messages may follow. */
  end(why?: string): void {
    this.#unread = this.unread ?? why;
    this.#reader?.close();
    this.#reader = undefined;
  }

  #mayRead(chunk: Buffer): boolean {
    if (this.#reader === undefined) return false;
    if (this.#load.takeBytes(chunk.length)) return true;
    // Frames have no marks by which a reader could find into them again.
    this.missed = true;
    this.end("too much came at once");
    return false;
  }

  #onRead(message: CapturedMessage): void {
    if (!this.#load.takeBytes(readingBytes)) {
      this.missed = true;
      this.#newest.dropped += 1;
      return;
    }
    const kept = { ...message, data: ofItsOwn(message.data) };
    this.#newest.add(kept);
    this.#onMessage(kept);
  }
}

/** A small Buffer is mostly a piece of Node's pool, and would keep all 8 KiB of it. */
function ofItsOwn(data: Buffer): Buffer {
  if (data.length === data.buffer.byteLength) return data;
  const copy = Buffer.allocUnsafeSlow(data.length);
  data.copy(copy);
  return copy;
}
