import { Buffer } from "node:buffer";
import { type Behind, shortBytes, type Unread } from "./unread.js";

/**
 * The longest piece that is handed out, in bytes. What carries it on may keep it whole until the visitor has
 * it, which does not count as unread.
 */
const pieceBytes = 65_536;

export interface UnreadBodyOwner {
  /** The visitor has taken something. */
  onTaken(): void;
  /** The visitor has left. It is not called after {@link UnreadBody.end}. */
  onGone(): void;
  /** The visitor has taken nothing for 30 s of more than a little. It is not called after `end`. */
  onStalled(): void;
}

const nobody: UnreadBodyOwner = { onTaken() {}, onGone() {}, onStalled() {} };

/**
 * The body of a response. It counts in the budget for unread answers until the visitor has taken it, has
 * left, or has taken nothing for 30 s. It is handed out in small pieces, each when it is asked for.
 */
export class UnreadBody implements Behind {
  readonly #unread: Unread;
  readonly #owner: UnreadBodyOwner;
  /** Each has memory of its own: the count is what is held. */
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #state: "open" | "ending" | "over" = "open";
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** The visitor waits for a piece. */
  #isWanted = false;

  constructor(unread: Unread, owner: UnreadBodyOwner = nobody) {
    this.#unread = unread;
    this.#owner = owner;
  }

  /** Bytes that wait for the visitor. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False: there is no room for the text, and it was not taken. A little always has room. */
  write(text: string): boolean {
    const bytes = Buffer.byteLength(text);
    if (this.#bytes + bytes > shortBytes && !this.#unread.hasRoom(bytes)) return false;
    this.force(text);
    return true;
  }

  /** Takes a short text, whether there is room or not. */
  force(text: string): void {
    if (this.#state !== "open") return;
    const bytes = Buffer.from(text);
    if (bytes.byteLength <= pieceBytes) this.#pieces.push(bytes);
    else {
      for (let at = 0; at < bytes.byteLength; at += pieceBytes) {
        this.#pieces.push(Buffer.from(bytes.subarray(at, at + pieceBytes)));
      }
    }
    this.#count(bytes.byteLength);
    if (this.#isWanted) this.#give();
    if (this.#isBehind && !this.#unread.isWatching(this)) this.#unread.watch(this);
  }

  /** What a response takes as its body. It is called once. */
  open(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          this.#onProgress();
        },
        pull: () => this.#give(),
        cancel: () => this.#onCancel(),
      },
      // Nothing is asked for before the visitor wants it.
      { highWaterMark: 0 },
    );
  }

  /** All that waits, at once. */
  takeAll(): Buffer<ArrayBuffer> {
    const all = Buffer.concat(this.#pieces);
    this.#release();
    return all;
  }

  /** There will be no more. The visitor is given 30 s to take something, again and again. */
  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    if (this.#bytes === 0) this.#close();
    this.#onProgress();
  }

  /** Gives up what waits. The visitor gets an error, so that the body does not look complete. */
  abort(reason: string): void {
    if (this.#state === "over") return;
    this.#release();
    this.#controller?.error(new Error(reason));
  }

  onStalled(): void {
    if (this.#state === "open") this.#owner.onStalled();
    else this.abort("the visitor has taken nothing for too long");
  }

  onClosed(): void {
    this.abort("the server is closed");
  }

  get #isBehind(): boolean {
    if (this.#controller === undefined || this.#state === "over") return false;
    return this.#bytes > (this.#state === "ending" ? 0 : shortBytes);
  }

  #onProgress(): void {
    if (this.#isBehind) this.#unread.watch(this);
    else this.#unread.unwatch(this);
  }

  #give(): void {
    this.#isWanted = this.#bytes === 0;
    if (this.#isWanted) return;
    const piece = this.#take();
    this.#count(-piece.byteLength);
    this.#controller?.enqueue(piece);
    if (this.#bytes === 0 && this.#state === "ending") this.#close();
    this.#onProgress();
    if (this.#state === "open") this.#owner.onTaken();
  }

  /** As many pieces as fit into one. */
  #take(): Buffer {
    let count = 0;
    let bytes = 0;
    for (const piece of this.#pieces) {
      bytes += piece.byteLength;
      if (count > 0 && bytes > pieceBytes) break;
      count++;
    }
    const pieces = this.#pieces.splice(0, count);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  #onCancel(): void {
    const wasOpen = this.#state === "open";
    this.#release();
    if (wasOpen) this.#owner.onGone();
  }

  #close(): void {
    this.#state = "over";
    this.#controller?.close();
  }

  #release(): void {
    this.#state = "over";
    this.#pieces.length = 0;
    this.#count(-this.#bytes);
    this.#unread.unwatch(this);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#unread.count(bytes);
  }
}
